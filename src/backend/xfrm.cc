#include "backend/xfrm.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <random>
#include <string_view>

#include "backend/xfrm_attributes.h"
#include "backend/xfrm_encode.h"
#include "pfkey/notices.h"

namespace backend {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::Type;
using xfrm::Refusal;

namespace {

constexpr std::uint64_t kSameMoment = 5;  // Seconds: between the kernel's time of an ADD and ours.
constexpr int kSpiTries = 32;

std::string device_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) ? std::string(name.data()) : fmt::format("interface-{}", index);
}

void append(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += "; ";
  text += more;
}

// A reply that repeats the request; keys stay out of it.
Message echo(Message&& request) {
  request.error = 0, request.diagnostic = 0;
  request.auth_key.reset(), request.encrypt_key.reset();
  return std::move(request);
}

bool same_sa(const Message& sa, const Beside& beside) {
  const std::uint64_t added = sa.current ? sa.current->addtime : 0;
  return added + kSameMoment >= beside.added && beside.added + kSameMoment >= added;
}

// The name of the SA in the other direction.
Message partner_of(const Message& sa, std::uint32_t spi) {
  Message name;
  name.satype = sa.satype;
  name.sa = pfkey::Sa{.spi = spi};
  name.dst = sa.src, name.src = sa.dst;
  name.mark = sa.mark;
  return name;
}

}  // namespace

XfrmWorld xfrm_world(std::function<Instant()> clock) {
  XfrmWorld world;
  world.connect = [](bool listening) {
    static constexpr std::array<unsigned, 5> kGroups = {XFRMNLGRP_SA, XFRMNLGRP_EXPIRE, XFRMNLGRP_ACQUIRE,
                                                        XFRMNLGRP_AEVENTS, XFRMNLGRP_MAPPING};
    return Netlink::open(NETLINK_XFRM, listening ? std::span<const unsigned>(kGroups) : std::span<const unsigned>());
  };
  world.companion = companion_path();
  world.clock = std::move(clock);
  world.random = [] { return std::random_device{}(); };
  world.device_index = [](const std::string& name) {
    return static_cast<std::uint32_t>(::if_nametoindex(name.c_str()));
  };
  std::string lockdown;
  std::getline(std::ifstream("/sys/kernel/security/lockdown"), lockdown);
  world.keys_hidden = lockdown.find("[confidentiality]") != std::string::npos;
  world.labels = ::access("/sys/fs/selinux/enforce", F_OK) == 0;
  return world;
}

Result<std::unique_ptr<Xfrm>> Xfrm::open(XfrmWorld world) {
  auto netlink = world.connect(false);
  if (!netlink) return std::unexpected(netlink.error());
  return std::unique_ptr<Xfrm>(new Xfrm(std::move(world), std::move(*netlink)));
}

Xfrm::Xfrm(XfrmWorld world, Netlink netlink)
    : world_(std::move(world)), netlink_(std::move(netlink)), companion_(world_.companion) {}

xfrm::DecodeContext Xfrm::context() const {
  return {static_cast<std::uint64_t>(world_.clock().wall.time_since_epoch().count()), world_.keys_hidden, device_name};
}

// ---- the pipeline

Xfrm::Check Xfrm::plan_add(Message& m, std::uint16_t type, std::string& remark) {
  if (auto wrong = xfrm::wrong_with(m, world_.labels)) return wrong;
  std::uint32_t device = 0;
  if (m.offload) {
    device = world_.device_index(m.offload->device);
    if (device == 0) return Refusal{ENODEV, Diagnostic::none, "there is no such network device"};
  }
  if (!xfrm::put_sa(m, type, device, batch_)) return Refusal{EMSGSIZE, Diagnostic::none, "the SA is too large"};
  m.auth_key.reset(), m.encrypt_key.reset();
  if (m.idle) append(remark, "idle limits will not be enforced: Linux has none; they are kept for save");
  return std::nullopt;
}

Xfrm::Check Xfrm::plan(Message& m, std::string& remark) {
  if (m.type == Type::add) return plan_add(m, XFRM_MSG_NEWSA, remark);
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  xfrm::put_name(m, m.type == Type::get ? XFRM_MSG_GETSA : XFRM_MSG_DELSA, batch_);
  return std::nullopt;
}

void Xfrm::keep(const Message& request, std::string& remark) {
  Beside beside = beside_of(request);
  beside.added = context().now;
  if (beside.empty()) return;
  auto kept = companion_.begin();
  if (kept) kept = companion_.put(name_of(request), beside);
  if (!kept)
    append(remark, "done, but its pair, identities, direction and idle limits are not kept: " + kept.error().text);
}

// Sends what is planned and replies to all of it in order.
Result<void> Xfrm::settle(std::span<Message> requests, const Reply& reply) {
  std::vector<std::size_t> sent;  // By place in the batch: the place in planned_.
  for (std::size_t i = 0; i < planned_.size(); ++i)
    if (!planned_[i].refusal) sent.push_back(i);
  std::size_t decided = 0;
  Result<void> done;
  if (!sent.empty())
    done = netlink_.exchange(
        batch_,
        [&](std::size_t at, const NetlinkMessage& m) {
          if (m.type == XFRM_MSG_NEWSA) planned_[sent[at]].found = xfrm::sa_of(m.payload, context());
        },
        [&](std::size_t at, const Netlink::Verdict& verdict) {
          ++decided;
          Planned& p = planned_[sent[at]];
          if (verdict.error != 0) p.refusal = xfrm::meaning(requests[p.index], verdict.error, verdict.text);
        });
  batch_.clear();
  const std::size_t known = done ? planned_.size() : decided < sent.size() ? sent[decided] : planned_.size();
  for (std::size_t i = 0; i < known; ++i) {
    Planned& p = planned_[i];
    Message& request = requests[p.index];
    if (!p.refusal && request.type == Type::get && !p.found)
      p.refusal = Refusal{EBADMSG, Diagnostic::none, "the kernel's answer is no SA"};
    if (p.refusal) {
      reply(p.index, xfrm::refused(request, *p.refusal));
      continue;
    }
    if (request.type == Type::add) keep(request, p.remark);
    if (request.type == Type::get) {
      join(*p.found);
      p.found->seq = request.seq, p.found->pid = request.pid;
      reply(p.index, std::move(*p.found));
      continue;
    }
    Message answer = echo(std::move(request));
    if (!p.remark.empty()) answer.remark = pfkey::Remark{p.remark};
    reply(p.index, std::move(answer));
  }
  planned_.clear();
  if (auto kept = companion_.commit(); !kept && done) return kept;
  return done;
}

Result<void> Xfrm::call(std::span<Message> requests, const Reply& reply) {
  struct Row {
    Type type;
    Handler handler;
  };
  static constexpr std::array kTable = {Row{Type::add, &Xfrm::add_pair},
                                        Row{Type::update, &Xfrm::update},
                                        Row{Type::x_updatepair, &Xfrm::update},
                                        Row{Type::x_delpair, &Xfrm::delete_pair},
                                        Row{Type::getspi, &Xfrm::getspi},
                                        Row{Type::flush, &Xfrm::flush},
                                        Row{Type::dump, &Xfrm::dump}};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Message& m = requests[i];
    const bool simple = (m.type == Type::add && !m.pair) || m.type == Type::get || m.type == Type::del;
    if (simple) {
      std::string remark;
      auto wrong = plan(m, remark);
      planned_.push_back({i, std::move(wrong), std::nullopt, std::move(remark)});
      continue;
    }
    if (auto settled = settle(requests, reply); !settled) return settled;
    const auto row = std::ranges::find(kTable, m.type, &Row::type);
    if (row == kTable.end()) {
      reply(i, xfrm::refused(m, {EOPNOTSUPP, Diagnostic::none, "the kernel's SADB has no such message"}));
      continue;
    }
    const Message header = m.header();
    auto wrong = (this->*row->handler)(m, [&](Message&& answer) { reply(i, std::move(answer)); });
    batch_.clear();
    const auto kept = companion_.commit();
    if (!wrong) return std::unexpected(wrong.error());
    if (*wrong) reply(i, xfrm::refused(header, **wrong));
    if (!kept) return kept;
  }
  return settle(requests, reply);
}

// ---- one at a time

Result<Netlink::Verdict> Xfrm::ask(NetlinkBatch& batch) {
  Netlink::Verdict verdict;
  auto done = netlink_.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t, const Netlink::Verdict& v) {
        if (verdict.error == 0) verdict = v;
      });
  batch.clear();
  if (!done) return std::unexpected(done.error());
  return verdict;
}

Result<std::optional<Xfrm::Fetched>> Xfrm::fetch(const Message& name) {
  NetlinkBatch batch;
  xfrm::put_name(name, XFRM_MSG_GETSA, batch);
  std::optional<Fetched> fetched;
  auto done = netlink_.exchange(
      batch,
      [&](std::size_t, const NetlinkMessage& m) {
        auto sa = m.type == XFRM_MSG_NEWSA ? xfrm::sa_of(m.payload, context()) : std::nullopt;
        if (!sa) return;
        fetched.emplace();
        fetched->sa = std::move(*sa);
        fetched->payload.grow(m.payload.size());
        fetched->size = m.payload.size();
        std::ranges::copy(m.payload, fetched->payload.bytes().begin());
      },
      [](std::size_t, const Netlink::Verdict&) {});
  if (!done) return std::unexpected(done.error());
  return fetched;
}

// Adds what is kept beside the kernel, as far as it is about this very SA and its partner is there.
void Xfrm::join(Message& sa) {
  const auto row = companion_.find(name_of(sa));
  if (!row) {
    std::string text = sa.remark ? sa.remark->text : "";
    append(text, row.error().text);
    sa.remark = pfkey::Remark{text};
    return;
  }
  if (!*row || !same_sa(sa, **row)) return;
  Beside beside = **row;
  if (beside.pair != 0) {
    const auto partner = fetch(partner_of(sa, beside.pair));
    const bool mutual = partner && *partner && [&] {
      const auto theirs = companion_.find(name_of((*partner)->sa));
      return theirs && *theirs && (*theirs)->pair == sa.sa->spi && same_sa((*partner)->sa, **theirs);
    }();
    if (!mutual) beside.pair = 0;
  }
  add_beside(sa, beside);
}

// A pair joins two SAs between the same addresses in opposite directions, neither of which has another partner.
Result<Xfrm::Check> Xfrm::check_pair(const Message& m) {
  const Check inappropriate = Refusal{EINVAL, Diagnostic::pair_inappropriate};
  if (!m.src || m.pair->spi == 0 || m.pair->spi == m.sa->spi) return inappropriate;
  auto partner = fetch(partner_of(m, m.pair->spi));
  if (!partner) return std::unexpected(partner.error());
  if (!*partner || (*partner)->sa.src->address != m.dst->address) return inappropriate;
  Message& theirs = (*partner)->sa;
  join(theirs);
  constexpr std::uint32_t kWays = pfkey::kFlagInbound | pfkey::kFlagOutbound;
  if ((m.sa->flags & theirs.sa->flags & kWays) != 0 || theirs.sa->state != pfkey::State::mature) return inappropriate;
  if (theirs.pair && theirs.pair->spi != m.sa->spi) return Check(Refusal{EINVAL, Diagnostic::pair_already});
  return Check();
}

Result<Xfrm::Check> Xfrm::add_pair(Message& m, const std::function<void(Message&&)>& reply) {
  if (auto wrong = xfrm::wrong_with(m, world_.labels)) return wrong;
  auto wrong = check_pair(m);
  if (!wrong || *wrong) return wrong;
  std::string remark;
  if (auto refused = plan_add(m, XFRM_MSG_NEWSA, remark)) return refused;
  const auto verdict = ask(batch_);
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0) return Check(xfrm::meaning(m, verdict->error, verdict->text));
  keep(m, remark);
  const Message other = partner_of(m, m.pair->spi);
  if (auto partner = fetch(other); partner && *partner) {
    Message& sa = (*partner)->sa;
    join(sa);
    sa.pair = pfkey::Pair{m.sa->spi};
    Beside beside = beside_of(sa);
    beside.added = sa.current->addtime;
    if (auto put = companion_.put(name_of(sa), beside); !put) append(remark, put.error().text);
  }
  Message answer = echo(std::move(m));
  if (!remark.empty()) answer.remark = pfkey::Remark{remark};
  reply(std::move(answer));
  return Check();
}

// Limits and the replay value of one SA that is there.
Result<Xfrm::Check> Xfrm::change(const Message& m, const Fetched& sa) {
  const Bytes payload = sa.payload.bytes().first(sa.size);
  NetlinkBatch batch;
  if (m.soft || m.hard) xfrm::put_limits(payload, m.soft, m.hard, batch);
  if (m.replay_value)
    xfrm::put_replay(payload, std::max<std::uint64_t>(m.replay_value->low, m.replay_value->wide), sa.sa.sa->flags,
                     batch);
  if (batch.count() > 0) {
    const auto verdict = ask(batch);
    if (!verdict) return std::unexpected(verdict.error());
    if (verdict->error != 0) return Check(xfrm::meaning(m, verdict->error, verdict->text));
  }
  if (!m.idle && !m.pair && !m.src_identity && !m.dst_identity) return Check();
  Message merged = sa.sa.clone();
  if (m.idle) merged.idle = m.idle;
  if (m.pair) merged.pair = m.pair;
  if (m.src_identity) merged.src_identity = m.src_identity;
  if (m.dst_identity) merged.dst_identity = m.dst_identity;
  Beside beside = beside_of(merged);
  beside.added = sa.sa.current->addtime;
  auto kept = companion_.begin();
  if (kept) kept = companion_.put(name_of(sa.sa), beside);
  if (!kept) return std::unexpected(kept.error());
  return Check();
}

Result<Xfrm::Check> Xfrm::update(Message& m, const std::function<void(Message&&)>& reply) {
  const bool both = m.type == Type::x_updatepair;
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  auto sa = fetch(m);
  if (!sa) return std::unexpected(sa.error());
  if (!*sa) return Check(Refusal{ESRCH, Diagnostic::sa_notfound});
  std::string remark;
  if ((*sa)->sa.sa->state == pfkey::State::larval && !both) {
    if (auto refused = plan_add(m, XFRM_MSG_UPDSA, remark)) return refused;
    const auto verdict = ask(batch_);
    if (!verdict) return std::unexpected(verdict.error());
    if (verdict->error != 0) return Check(xfrm::meaning(m, verdict->error, verdict->text));
    keep(m, remark);
  } else {
    if (m.encrypt_key) return Check(Refusal{EINVAL, Diagnostic::ekey_present});
    if (m.auth_key) return Check(Refusal{EINVAL, Diagnostic::akey_present});
    join((*sa)->sa);
    std::vector<Fetched> halves;
    if (both) {
      Result<std::optional<Fetched>> partner = std::optional<Fetched>();
      if ((*sa)->sa.pair) partner = fetch(partner_of((*sa)->sa, (*sa)->sa.pair->spi));
      if (!partner) return std::unexpected(partner.error());
      if (!*partner) return Check(Refusal{ESRCH, Diagnostic::pair_sa_notfound});
      join((*partner)->sa);
      halves.push_back(std::move(**partner));
    }
    if (m.pair) {
      if ((*sa)->sa.pair && (*sa)->sa.pair->spi != m.pair->spi) return Check(Refusal{EINVAL, Diagnostic::pair_already});
      if (!m.src || is_unspecified(m.src->address)) m.src = (*sa)->sa.src;
      auto wrong = check_pair(m);
      if (!wrong || *wrong) return wrong;
      auto partner = fetch(partner_of(m, m.pair->spi));
      if (!partner) return std::unexpected(partner.error());
      join((*partner)->sa);
      Message joined;
      joined.pair = pfkey::Pair{m.sa->spi};
      if (auto done = change(joined, **partner); !done || *done) return done;
    }
    halves.push_back(std::move(**sa));
    if (m.idle) append(remark, "idle limits will not be enforced: Linux has none; they are kept for save");
    for (const Fetched& half : halves)
      if (auto done = change(m, half); !done || *done) return done;
  }
  Message answer = echo(std::move(m));
  if (!remark.empty()) answer.remark = pfkey::Remark{remark};
  reply(std::move(answer));
  return Check();
}

Result<Xfrm::Check> Xfrm::delete_pair(Message& m, const std::function<void(Message&&)>& reply) {
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  auto sa = fetch(m);
  if (!sa) return std::unexpected(sa.error());
  if (!*sa) return Check(Refusal{ESRCH, Diagnostic::sa_notfound});
  join((*sa)->sa);
  if (!(*sa)->sa.pair) return Check(Refusal{ESRCH, Diagnostic::pair_sa_notfound});
  const Message partner = partner_of((*sa)->sa, (*sa)->sa.pair->spi);
  xfrm::put_name(m, XFRM_MSG_DELSA, batch_);
  xfrm::put_name(partner, XFRM_MSG_DELSA, batch_);
  const auto verdict = ask(batch_);
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0) return Check(xfrm::meaning(m, verdict->error, verdict->text));
  for (const Message* gone : {static_cast<const Message*>(&m), &partner})
    if (auto erased = companion_.erase(name_of(*gone)); !erased) return std::unexpected(erased.error());
  reply(echo(std::move(m)));
  return Check();
}

Result<Xfrm::Check> Xfrm::getspi(Message& m, const std::function<void(Message&&)>& reply) {
  if (!m.src) return Check(Refusal{EINVAL, Diagnostic::missing_src});
  if (!m.dst) return Check(Refusal{EINVAL, Diagnostic::missing_dst});
  if (!m.spi_range) return Check(Refusal{EINVAL, Diagnostic::missing_range});
  const std::uint64_t low = std::max(m.spi_range->min, 1u);
  const std::uint64_t width = std::uint64_t{m.spi_range->max} - low + 1;
  if (m.spi_range->max < low) return Check(Refusal{EINVAL, Diagnostic::malformed_range});
  // The kernel's own search of a range is quadratic over a load: it is asked for one SPI at a time.
  const std::uint32_t start = world_.random();
  Netlink::Verdict verdict;
  for (int tried = 0; tried < kSpiTries && static_cast<std::uint64_t>(tried) < width; ++tried) {
    const auto spi = static_cast<std::uint32_t>(low + (start + static_cast<std::uint64_t>(tried)) % width);
    xfrm::put_larval(m, spi, batch_);
    const auto asked = ask(batch_);
    if (!asked) return std::unexpected(asked.error());
    verdict = *asked;
    if (verdict.error == 0) {
      m.spi_range.reset();
      m.sa = pfkey::Sa{.spi = spi};
      reply(echo(std::move(m)));
      return Check();
    }
    if (verdict.error != ENOENT && verdict.error != EEXIST) return Check(xfrm::meaning(m, verdict.error, verdict.text));
  }
  return Check(Refusal{EEXIST, Diagnostic::none, "every SPI that was tried is taken"});
}

Result<Xfrm::Check> Xfrm::flush(Message& m, const std::function<void(Message&&)>& reply) {
  using pfkey::SaType;
  for (const SaType satype : {SaType::ah, SaType::esp})
    if (m.satype == SaType::unspec || m.satype == satype) xfrm::put_flush(satype, batch_);
  if (batch_.count() == 0) return Check(Refusal{EINVAL, Diagnostic::unknown_satype});
  const auto verdict = ask(batch_);
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0 && verdict->error != ESRCH) return Check(xfrm::meaning(m, verdict->error, verdict->text));
  if (auto cleared = companion_.clear(m.satype); !cleared) return std::unexpected(cleared.error());
  reply(echo(std::move(m)));
  return Check();
}

Result<Xfrm::Check> Xfrm::dump(Message& m, const std::function<void(Message&&)>& reply) {
  if (m.satype != pfkey::SaType::unspec && xfrm::protocol_of(m.satype) == 0)
    return Check(Refusal{EINVAL, Diagnostic::unknown_satype});
  auto rows = companion_.all();
  if (!rows) return std::unexpected(rows.error());
  std::vector<Message> list;
  xfrm::put_dump(m.satype, batch_);
  const auto verdict = netlink_.dump(batch_, [&](const NetlinkMessage& n) {
    auto sa = n.type == XFRM_MSG_NEWSA ? xfrm::sa_of(n.payload, context()) : std::nullopt;
    if (!sa || (m.satype != pfkey::SaType::unspec && sa->satype != m.satype)) return;
    sa->type = Type::dump;
    sa->seq = m.seq, sa->pid = m.pid;
    list.push_back(std::move(*sa));
  });
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0) return Check(xfrm::meaning(m, verdict->error, verdict->text));
  // Only rows that are about an SA of this list count; the others are forgotten.
  std::map<SaName, Beside> live;
  for (const Message& sa : list)
    if (const auto row = rows->find(name_of(sa)); row != rows->end() && same_sa(sa, row->second)) live.insert(*row);
  for (const auto& [name, beside] : *rows) {
    if (live.contains(name) || (m.satype != pfkey::SaType::unspec && name.satype != m.satype)) continue;
    if (!companion_.begin() || !companion_.erase(name)) break;  // They stay until the next read.
  }
  for (Message& sa : list) {
    if (const auto row = live.find(name_of(sa)); row != live.end()) {
      Beside beside = row->second;
      const auto partner = live.find({sa.satype, beside.pair, sa.src->address, row->first.mark});
      if (partner == live.end() || partner->second.pair != sa.sa->spi) beside.pair = 0;
      add_beside(sa, beside);
    }
    reply(std::move(sa));
  }
  Message end = m.header();
  end.seq = 0;
  reply(std::move(end));
  return Check();
}

// ---- listening

Result<void> Xfrm::listen(bool promiscuous, int stop_fd, const Sink& sink) {
  auto socket = world_.connect(true);
  if (!socket) return std::unexpected(socket.error());
  Message mode;
  mode.type = Type::x_promisc;
  mode.satype = static_cast<pfkey::SaType>(promiscuous ? 1 : 0);
  if (!sink(std::move(mode))) return {};
  while (true) {
    const auto heard = socket->hear(stop_fd, [&](const NetlinkMessage& n) {
      auto m = xfrm::event_of(n, context());
      return !m || sink(std::move(*m));
    });
    if (!heard) return std::unexpected(heard.error());
    if (*heard == Netlink::Heard::stopped) return {};
    if (!sink(pfkey::gap_notice(0))) return {};
    bool go_on = true;
    Message all;
    all.type = Type::dump;
    all.seq = 1;
    const auto listed = call({&all, 1}, [&](std::size_t, Message&& m) {
      m.auth_key.reset(), m.encrypt_key.reset();
      go_on = go_on && sink(std::move(m));
    });
    if (!listed) return listed;
    if (!go_on) return {};
  }
}

}  // namespace backend
