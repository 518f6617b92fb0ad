// How PF_KEY requests become XFRM requests:
// 1. call() collects requests that need only one message to the kernel: plan() checks each and puts it into the batch.
// 2. settle() sends the batch in one exchange, and conclude() replies to each in the order of the requests.
// 3. Any other request waits until those before it are settled. Its handler, a row of kTable, then does all of it.
// 4. The side table has whatever the kernel cannot store: a GET joins it, keep() records it, and commit() writes it.
// 5. An Ear listens on a socket of its own. After a loss it reports a gap and lists the current SAs.
#include "kernel/xfrm.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/detail/xfrm_add.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/detail/xfrm_last.h"
#include "kernel/detail/xfrm_parts.h"
#include "pfkey/notices.h"

namespace ipseckey::kernel {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::Type;
using xfrm::Refusal;

namespace {

std::string device_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) ? std::string(name.data()) : fmt::format("interface-{}", index);
}

}  // namespace

Result<std::unique_ptr<Xfrm>> Xfrm::open(XfrmWorld world) {
  auto netlink = world.connect(false);
  if (!netlink) return std::unexpected(netlink.error());
  return std::unique_ptr<Xfrm>(new Xfrm(std::move(world), std::move(*netlink)));
}

Xfrm::Xfrm(XfrmWorld world, Netlink netlink)
    : world_(std::move(world)), netlink_(std::move(netlink)), side_table_(world_.side_table) {}

xfrm::DecodeContext Xfrm::context() const { return {now_, world_.keys_hidden, device_name}; }

// A kernel without the protocol may fail at the algorithm before it notices that.
Refusal Xfrm::why(const Message& m, const Netlink::Verdict& verdict) const {
  const bool stumbled = verdict.error == ENOSYS || verdict.error == EPROTONOSUPPORT || verdict.error == ENOENT;
  const bool missing =
      stumbled && world_.has_type && m.dst && world_.has_type(m.satype, m.dst->address.family) == Presence::missing;
  return xfrm::meaning(m, verdict.error, verdict.text, missing);
}

// ---- the pipeline

Xfrm::Check Xfrm::plan_add(Message& m, std::uint16_t type, std::string& remark) {
  auto wrong = xfrm::put_add(m, type, world_, remark, batch_);
  if (!wrong) m.auth_key.reset(), m.encrypt_key.reset();
  return wrong;
}

Xfrm::Check Xfrm::plan(Message& m, std::string& remark) {
  if (m.type == Type::add) return plan_add(m, XFRM_MSG_NEWSA, remark);
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  xfrm::put_name(m, m.type == Type::get ? XFRM_MSG_GETSA : XFRM_MSG_DELSA, batch_);
  return std::nullopt;
}

void Xfrm::conclude(Planned& p, Message& request, const Reply& reply) {
  if (!p.refusal && request.type == Type::get && !p.found)
    p.refusal = Refusal{EBADMSG, Diagnostic::none, "the kernel's answer is not an SA"};
  const bool another = p.found && !xfrm::means(request, *p.found);
  if (another) p.refusal = Refusal{ESRCH, Diagnostic::sa_notfound};
  if (p.refusal) tell_near(*p.refusal, request, another ? p.found.get() : nullptr);
  if (p.refusal) return reply(p.index, xfrm::refused(request, *p.refusal));
  if (request.type == Type::get) {
    if (auto joined = join(*p.found); !joined) {
      std::string text = p.found->remark ? p.found->remark->text : "";
      xfrm::append(text, joined.error().text);
      p.found->remark = pfkey::Remark{text};
    }
    doubt(*p.found);
    p.found->seq = request.seq, p.found->pid = request.pid;
    return reply(p.index, std::move(*p.found));
  }
  keep(request, p.remark);
  reply(p.index, xfrm::echo(std::move(request), p.remark));
}

// Sends the planned requests and replies to all of them in order. If answers are missing, the verdicts that arrived are
// still reported.
Result<void> Xfrm::settle(std::span<Message> requests, const Reply& reply) {
  std::vector<std::size_t> sent;  // By position in the batch: the position in planned_.
  for (std::size_t i = 0; i < planned_.size(); ++i)
    if (!planned_[i].decided) sent.push_back(i);
  Result<void> done;
  std::optional<LastNumbers> last;
  if (std::ranges::any_of(planned_, [&](const Planned& p) { return LastNumbers::wanted(requests[p.index]); }))
    last.emplace(world_);
  if (!sent.empty())
    done = netlink_.exchange(
        batch_,
        [&](std::size_t at, const NetlinkMessage& m) {
          auto sa = m.type == XFRM_MSG_NEWSA ? xfrm::sa_of(m.payload, context()) : std::nullopt;
          if (sa) planned_[sent[at]].found = std::make_unique<Message>(std::move(*sa));
        },
        [&](std::size_t at, const Netlink::Verdict& verdict) {
          Planned& p = planned_[sent[at]];
          p.decided = true;
          if (verdict.error != 0) p.refusal = why(requests[p.index], verdict);
        });
  batch_.clear();
  if (last) last->take(context());
  for (Planned& p : planned_) {
    Message& request = requests[p.index];
    if (last && p.decided && !p.refusal && LastNumbers::wanted(request)) last->put(request, p.remark);
    if (p.decided) conclude(p, request, reply);
  }
  planned_.clear();
  if (auto kept = side_table_.commit(); !kept && done) return kept;
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
                                        Row{Type::del, &Xfrm::remove},
                                        Row{Type::getspi, &Xfrm::getspi},
                                        Row{Type::reg, &Xfrm::reg},
                                        Row{Type::flush, &Xfrm::flush},
                                        Row{Type::dump, &Xfrm::dump}};
  now_ = seconds_since_1970(world_.clock());
  side_table_.look_again();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Message& m = requests[i];
    // These need more than one message to the kernel.
    const bool exact = m.mark || (m.src && !is_unspecified(m.src->address));
    const bool simple = (m.type == Type::add && !m.pair) || m.type == Type::get || (m.type == Type::del && !exact);
    if (simple) {
      Planned& p = planned_.emplace_back(Planned{.index = i, .refusal = {}});
      p.refusal = plan(m, p.remark);
      p.decided = p.refusal.has_value();
      continue;
    }
    if (auto settled = settle(requests, reply); !settled) return settled;
    const auto row = std::ranges::find(kTable, m.type, &Row::type);
    if (row == kTable.end()) {
      reply(i, xfrm::refused(m, {EOPNOTSUPP, Diagnostic::none, "the kernel's SADB does not support this message"}));
      continue;
    }
    const Message header = m.header();
    auto wrong = (this->*row->handler)(m, [&](Message&& answer) { reply(i, std::move(answer)); });
    batch_.clear();
    const auto kept = side_table_.commit();
    if (!wrong) return std::unexpected(wrong.error());
    if (*wrong) reply(i, xfrm::refused(header, **wrong));
    if (!kept) return kept;
  }
  return settle(requests, reply);
}

// ---- listening

// Listens on a socket of its own, to which the kernel reports all changes.
class Xfrm::Ear : public backend::Listener {
 public:
  Ear(Xfrm& xfrm, Netlink events, Message&& mode)
      : xfrm_(xfrm), events_(std::move(events)), mode_(std::make_unique<Message>(std::move(mode))) {}

  int descriptor() const override { return events_ ? events_->descriptor() : -1; }

  Result<void> next(const Sink& sink) override {
    if (const auto mode = std::exchange(mode_, nullptr)) sink(std::move(*mode));
    if (lost_) return std::unexpected(*lost_);
    if (!events_) return {};
    const auto heard = events_->hear([&](const NetlinkMessage& n) {
      xfrm_.now_ = seconds_since_1970(xfrm_.world_.clock());
      if (auto m = xfrm::event_of(n, xfrm_.context())) sink(std::move(*m));
    });
    if (!heard) return lose(heard.error());
    if (*heard != Netlink::Heard::lost) return {};
    const auto listed = begin_again(sink);
    return listed ? Result<void>() : lose(listed.error());
  }

  Result<void> end() override {
    events_.reset();
    return {};
  }

 private:
  // It is unknown what was lost, so the current SAs are listed.
  Result<void> begin_again(const Sink& sink) {
    sink(pfkey::gap_notice(0));
    Message all;
    all.type = Type::dump;
    all.seq = 1;
    return xfrm_.call({&all, 1}, [&](std::size_t, Message&& m) {
      m.auth_key.reset(), m.encrypt_key.reset();
      sink(std::move(m));
    });
  }

  // Whatever arrives is not reported to anyone.
  std::unexpected<Error> lose(const Error& why) {
    events_.reset();
    lost_ = why;
    return std::unexpected(why);
  }

  Xfrm& xfrm_;
  std::optional<Netlink> events_;
  std::optional<Error> lost_;
  std::unique_ptr<Message> mode_;  // Not passed on yet.
};

Result<std::unique_ptr<backend::Listener>> Xfrm::listen(bool promiscuous) {
  auto events = world_.connect(true);
  if (!events) return std::unexpected(events.error());
  Message mode;
  mode.type = Type::x_promisc;
  mode.satype = static_cast<pfkey::SaType>(promiscuous ? 1 : 0);
  return std::make_unique<Ear>(*this, std::move(*events), std::move(mode));
}

}  // namespace ipseckey::kernel
