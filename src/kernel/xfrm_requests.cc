// Requests that need one message to the kernel:
// 1. ask() sends a batch and returns the first refusal; look() fetches one SA, and keeps the kernel's own form of it.
// 2. look_for() finds the SA that a request names, or returns a refusal that names the difference to a similar SA.
// 3. getspi() tries one number after another, because the kernel's own search of a range is slow.
// 4. reg() answers with the algorithms that the kernel has, from its report.
// 5. flush() works by type; dump() collects all SAs, puts the oldest first and adds the stored rows.
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/detail/xfrm_last.h"
#include "kernel/detail/xfrm_parts.h"
#include "kernel/xfrm.h"
#include "pfkey/algorithms.h"
#include "pfkey/near_name.h"

namespace ipseckey::kernel {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using xfrm::Refusal;

namespace {

constexpr int kSpiTries = 32;

}  // namespace

// Sends the batch for the request m; nullopt: all of it succeeded.
Result<Xfrm::Check> Xfrm::ask(const Message& m, NetlinkBatch& batch) {
  Netlink::Verdict verdict;
  auto done = netlink_.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t, const Netlink::Verdict& v) {
        if (verdict.error == 0) verdict = v;
      });
  batch.clear();
  if (!done) return std::unexpected(done.error());
  return verdict.error == 0 ? Check() : Check(why(m, verdict));
}

Result<Xfrm::Looked> Xfrm::look(const Message& name) {
  NetlinkBatch batch;
  xfrm::put_name(name, XFRM_MSG_GETSA, batch);
  Looked looked;
  auto done = netlink_.exchange(
      batch,
      [&](std::size_t, const NetlinkMessage& m) {
        auto sa = m.type == XFRM_MSG_NEWSA ? xfrm::sa_of(m.payload, context()) : std::nullopt;
        if (!sa) return;
        Fetched found;
        found.sa = std::move(*sa);
        found.payload.grow(m.payload.size());
        found.size = m.payload.size();
        std::ranges::copy(m.payload, found.payload.bytes().begin());
        looked.found = std::move(found);
      },
      [&](std::size_t, const Netlink::Verdict& verdict) {
        if (verdict.error != 0 && verdict.error != ESRCH) looked.refusal = why(name, verdict);
      });
  if (!done) return std::unexpected(done.error());
  return looked;
}

// The SA that a request names and means; if it does not exist, that is the refusal.
Result<Xfrm::Looked> Xfrm::look_for(const Message& request) {
  auto looked = look(request);
  if (!looked || looked->refusal || (looked->found && xfrm::means(request, looked->found->sa))) return looked;
  looked->refusal = Refusal{ESRCH, Diagnostic::sa_notfound};
  tell_near(*looked->refusal, request, looked->found ? &looked->found->sa : nullptr);
  looked->found.reset();
  return looked;
}

// Which word of a request for a missing SA differs from an existing one. `found`: the SA that the kernel returned; if
// it returned none, all SAs to that destination are searched.
void Xfrm::tell_near(Refusal& refusal, const Message& request, const Message* found) {
  if (refusal.diagnostic != Diagnostic::sa_notfound) return;
  std::optional<Message> near;
  if (!found && near_looks_ > 0) {
    --near_looks_;
    NetlinkBatch batch;
    xfrm::put_dump_to(request.dst->address, batch);
    const auto walked = netlink_.dump(batch, [&](const NetlinkMessage& n) {
      auto sa = n.type == XFRM_MSG_NEWSA ? xfrm::sa_of(n.payload, context()) : std::nullopt;
      if (!sa || sa->sa->spi != request.sa->spi || sa->dst->address != request.dst->address) return;
      if (!near || sa->satype == request.satype) near = std::move(sa);
    });
    if (!walked) return;
  }
  if (!found && !near) return;
  std::string text = pfkey::near_name_text(request, found ? *found : *near, true);
  if (!text.empty()) refusal.text = std::move(text);
}

// DELETE of an SA with a specified source or mark.
Result<Xfrm::Check> Xfrm::remove(Message& m, const Answer& reply) {
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  const auto looked = look_for(m);
  if (!looked) return std::unexpected(looked.error());
  if (looked->refusal) return looked->refusal;
  std::optional<LastNumbers> last;
  if (LastNumbers::wanted(m)) last.emplace(world_);
  xfrm::put_name(m, XFRM_MSG_DELSA, batch_);
  auto refused = ask(m, batch_);
  if (!refused || *refused) return refused;
  std::string remark;
  if (last) last->take(context()), last->put(m, remark);
  keep(m, remark);
  reply(xfrm::echo(std::move(m), remark));
  return Check();
}

Result<Xfrm::Check> Xfrm::getspi(Message& m, const Answer& reply) {
  if (xfrm::protocol_of(m.satype) == 0) return Check(Refusal{EINVAL, Diagnostic::satype_needed});
  if (!m.src) return Check(Refusal{EINVAL, Diagnostic::missing_src});
  if (!m.dst) return Check(Refusal{EINVAL, Diagnostic::missing_dst});
  if (!m.spi_range) return Check(Refusal{EINVAL, Diagnostic::missing_range});
  const std::uint64_t low = std::max(m.spi_range->min, 1u);
  const std::uint64_t width = std::uint64_t{m.spi_range->max} - low + 1;
  if (m.spi_range->max < low) return Check(Refusal{EINVAL, Diagnostic::malformed_range});
  // The kernel's own search of a range is quadratic over a load, so each request names one SPI.
  const std::uint32_t start = world_.random();
  for (int tried = 0; tried < kSpiTries && static_cast<std::uint64_t>(tried) < width; ++tried) {
    const auto spi = static_cast<std::uint32_t>(low + (start + static_cast<std::uint64_t>(tried)) % width);
    xfrm::put_larval(m, spi, batch_);
    const auto refused = ask(m, batch_);
    if (!refused) return std::unexpected(refused.error());
    if (!*refused) {
      m.spi_range.reset();
      m.sa = pfkey::Sa{.spi = spi};
      reply(xfrm::echo(std::move(m)));
      return Check();
    }
    if ((*refused)->error != ENOENT && (*refused)->error != EEXIST) return refused;
  }
  return Check(Refusal{EEXIST, Diagnostic::none, "every SPI that was tried is in use"});
}

// The algorithms that the kernel has for a protocol. Its requests to key managers reach every listener anyway.
Result<Xfrm::Check> Xfrm::reg(Message& m, const Answer& reply) {
  if (xfrm::protocol_of(m.satype) == 0) return Check(Refusal{EINVAL, Diagnostic::satype_needed});
  const KernelReport report = world_.report();
  const auto has = [&](std::string_view topic, std::string_view start) {
    return std::ranges::any_of(report.facts, [&](const KernelFact& fact) {
      const bool usable = fact.presence == Presence::there || fact.presence == Presence::loadable;
      return usable && fact.topic == topic && fact.name.starts_with(start) &&
             (topic == "protocol" || fact.name == start);
    });
  };
  const bool esp = m.satype == SaType::esp;
  pfkey::Supported macs, ciphers;
  if (has("protocol", esp ? "ESP" : "AH"))
    for (const pfkey::Algorithm& row : pfkey::algorithms()) {
      const bool mac = row.kind == pfkey::AlgorithmKind::auth;
      if (!has(mac ? "authentication" : "encryption", row.name())) continue;
      const auto step = static_cast<std::uint8_t>(row.min_bits == row.max_bits ? 0 : row.step_bits);
      (mac ? macs : ciphers)
          .algorithms.push_back({row.number, row.iv, row.min_bits, row.max_bits, step, row.salt_bits});
    }
  Message answer = m.header();
  answer.error = 0;
  if (!macs.algorithms.empty()) answer.supported_auth = std::move(macs);
  if (esp && !ciphers.algorithms.empty()) answer.supported_encrypt = std::move(ciphers);
  reply(std::move(answer));
  return Check();
}

Result<Xfrm::Check> Xfrm::flush(Message& m, const Answer& reply) {
  for (const SaType satype : {SaType::ah, SaType::esp})
    if (m.satype == SaType::unspec || m.satype == satype) xfrm::put_flush(satype, batch_);
  if (batch_.count() == 0) return Check(Refusal{EINVAL, Diagnostic::unknown_satype});
  auto refused = ask(m, batch_);
  if (!refused || (*refused && (*refused)->error != ESRCH)) return refused;  // ESRCH: there was none.
  if (auto cleared = side_table_.clear(m.satype); !cleared) return std::unexpected(cleared.error());
  reply(xfrm::echo(std::move(m)));
  return Check();
}

Result<Xfrm::Check> Xfrm::dump(Message& m, const Answer& reply) {
  if (m.satype != SaType::unspec && xfrm::protocol_of(m.satype) == 0)
    return Check(Refusal{EINVAL, Diagnostic::unknown_satype});
  auto rows = side_table_.all();
  if (!rows) return std::unexpected(rows.error());
  std::vector<Message> list;
  xfrm::put_dump(m.satype, batch_);
  const auto verdict = netlink_.dump(batch_, [&](const NetlinkMessage& n) {
    auto sa = n.type == XFRM_MSG_NEWSA ? xfrm::sa_of(n.payload, context()) : std::nullopt;
    if (!sa || (m.satype != SaType::unspec && sa->satype != m.satype)) return;
    sa->type = Type::dump;
    sa->seq = m.seq, sa->pid = m.pid;
    list.push_back(std::move(*sa));
  });
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0) return Check(why(m, *verdict));
  std::ranges::reverse(list);  // The kernel lists the newest first; loading a saved file must restore the same order.
  if (!rows->empty()) add_what_is_beside(list, m.satype, *rows);
  for (Message& sa : list) {
    direct(sa);
    doubt(sa);
    reply(std::move(sa));
  }
  Message end = m.header();
  end.seq = 0;
  reply(std::move(end));
  return Check();
}

// Only rows about an SA in this list are valid; the others of its type are forgotten.
void Xfrm::add_what_is_beside(std::vector<Message>& list, SaType satype,
                              const std::map<backend::SaName, SideRow>& rows) {
  std::map<backend::SaName, SideRow> live;
  for (const Message& sa : list)
    if (const auto row = rows.find(backend::name_of(sa)); row != rows.end() && xfrm::same_sa(sa, row->second))
      live.insert(*row);
  for (const auto& [name, beside] : rows) {
    if (live.contains(name) || (satype != SaType::unspec && name.satype != satype)) continue;
    if (!side_table_.begin() || !side_table_.erase(name)) break;  // They remain until the next read.
  }
  for (Message& sa : list) {
    const auto row = live.find(backend::name_of(sa));
    if (row == live.end()) continue;
    SideRow beside = row->second;
    const auto partner = live.find({sa.satype, beside.pair, sa.src->address, row->first.mark});
    if (partner == live.end() || partner->second.pair != sa.sa->spi) beside.pair = 0;
    add_side_row(sa, beside);
  }
}

}  // namespace ipseckey::kernel
