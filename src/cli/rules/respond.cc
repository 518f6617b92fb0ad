// `prove --respond`, the other end of a proof:
// 1. The rules and SAs of this host are read, and again when they may have changed (Knowledge::refresh).
// 2. probe/responder.h answers what comes; it asks judge() about each question.
// 3. sa_with() describes the SAs of the question's SPIs; SPIs that were held before are remembered.
// 4. judge() finds the rules that the probes and the answers to them meet, and what these have against the SA.
// 5. A signal ends it.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/rules/proof.h"
#include "probe/responder.h"
#include "system/held_signals.h"
#include "system/local_addresses.h"

namespace ipseckey::cli {
namespace {

using policy::Direction;
using policy::Flow;
using prove::RuleThere;
using prove::SaThere;

// What is known of this host while it responds.
class Knowledge {
 public:
  Knowledge(RuleSession& session, ProofGround ground) : session_(session), ground_(std::move(ground)) { remember(); }

  const ProofGround& ground() const { return ground_; }
  void judge(const prove::Ask& ask, prove::Tell& tell);
  bool holds(std::uint32_t spi) const { return known_.contains(spi); }

 private:
  void refresh();
  void remember() {
    for (const policy::HeldSa& sa : ground_.sas) known_.insert(sa.facts.spi);
  }
  SaThere sa_with(std::uint32_t spi, bool inbound) const;

  RuleSession& session_;
  ProofGround ground_;
  std::set<std::uint32_t> known_;  // SPIs of SAs that were here.
  std::chrono::nanoseconds stale_at_{};
  LocalAddresses own_;
};

// A list of many SAs is not read for every question.
void Knowledge::refresh() {
  const auto begin = session_.world().clock().steady;
  if (begin < stale_at_) return;
  if (backend::Spd* const spd = session_.spd()) {
    if (auto listed = spd->list()) {
      ground_.held = std::move(*listed);
      ground_.rules.clear();
      for (const backend::HeldRule& h : ground_.held) ground_.rules.push_back(h.rule);
    }
  }
  if (read_sas(session_, ground_)) remember();
  const auto end = session_.world().clock().steady;
  stale_at_ = end + std::max<std::chrono::nanoseconds>(std::chrono::milliseconds(50), 20 * (end - begin));
}

SaThere Knowledge::sa_with(std::uint32_t spi, bool inbound) const {
  SaThere there;
  if (spi == 0) return there;
  const auto now = session_.world().clock().steady;
  LocalAddresses own;
  const prove::SaView* best = nullptr;
  bool best_in = false;
  for (const prove::SaView& sa : ground_.views) {
    if (sa.held.facts.spi != spi) continue;
    const bool in = own.contains(sa.held.facts.dst, now);
    if (!best || (in == inbound && best_in != inbound)) best = &sa, best_in = in;
  }
  there.was_held = !best && known_.contains(spi);
  if (!best) return there;
  there.outbound = !best_in;
  there.held = best_in == inbound;
  const policy::SaFacts& facts = best->held.facts;
  there.type = static_cast<std::uint8_t>(facts.type);
  there.auth = facts.auth, there.encrypt = facts.encrypt;
  there.icv_bits = best->icv_bits;
  there.tunnel = facts.tunnel, there.udp = best->udp;
  there.window = best->window;
  return there;
}

RuleThere word_for(policy::Service service) {
  switch (service) {
    case policy::Service::not_needed:
      return RuleThere::pass;
    case policy::Service::served:
      return RuleThere::served;
    case policy::Service::broken:
      return RuleThere::broken;
    case policy::Service::missing:
      return RuleThere::missing;
  }
  return RuleThere::none;
}

RuleThere treatment(const policy::Rule& rule, Direction d, const policy::Serving& serving) {
  if (policy::outcome(rule, d) == policy::Outcome::discard) return RuleThere::drop;
  return word_for(serving.service);
}

// What the rule has against the SA with that SPI.
void add_objections(const ProofGround& ground, const policy::Serving& serving, std::uint32_t spi, SaThere& there) {
  for (const policy::Need& need : serving.needs)
    for (const policy::Candidate& c : need.candidates) {
      if (ground.sas[c.sa].facts.spi != spi) continue;
      there.fate = static_cast<std::uint8_t>(c.fate);
      for (const policy::Objection o : c.objections) there.objections |= std::uint32_t{1} << static_cast<unsigned>(o);
    }
}

void Knowledge::judge(const prove::Ask& ask, prove::Tell& tell) {
  refresh();
  const std::vector<Address> own = local_addresses();
  const auto mine =
      std::ranges::find_if(own, [&](const Address& a) { return ask.wanted.contains(a) && !is_link_local(a); });
  if (mine != own.end()) tell.mine = *mine;
  tell.to_me = sa_with(ask.out_spi, true);
  tell.to_you = sa_with(ask.in_spi, false);
  tell.to_you.held = ask.in_spi != 0 && tell.to_you.outbound;
  Flow in{ask.to, ask.from, ask.protocol, {}, {}, {}, {}, {}};
  Flow out = in;
  constexpr std::uint8_t kIcmp = 1, kIcmp6 = 58;
  if (ask.protocol == kIcmp || ask.protocol == kIcmp6) {
    const bool six = ask.protocol == kIcmp6;
    in.icmp_type = six ? 128 : 8, out.icmp_type = six ? 129 : 0;
    in.icmp_code = out.icmp_code = 0;
  } else {
    in.local_port = out.local_port = ask.to_port, in.remote_port = out.remote_port = ask.from_port;
  }
  if (const auto rule = met(ground_, in, Direction::in)) {
    const auto serving = policy::serve(ground_.rules[*rule], Direction::in, ground_.sas, ground_.chooser, &in);
    tell.in_rule = treatment(ground_.rules[*rule], Direction::in, serving);
    add_objections(ground_, serving, ask.out_spi, tell.to_me);
  }
  if (const auto rule = met(ground_, out, Direction::out)) {
    const auto serving = policy::serve(ground_.rules[*rule], Direction::out, ground_.sas, ground_.chooser, &out);
    tell.out_rule = treatment(ground_.rules[*rule], Direction::out, serving);
    for (const policy::Need& need : serving.needs)
      if (const policy::Candidate* const c = need.first(policy::Fate::serves))
        tell.out_spi = ground_.sas[c->sa].facts.spi;
  }
}

}  // namespace

Status respond_to_proofs(RuleSession& session) {
  ProofGround ground;
  if (const Status status = read_ground(session, ground); status != Status::ok) return status;
  Knowledge knowledge(session, std::move(ground));
  const HeldSignals held(HeldSignals::Ignored::count_too);
  probe::Responding responding;
  responding.rules = knowledge.ground().rules;
  responding.is_local = own_addresses(session.world().clock);
  responding.database = knowledge.ground().database;
  responding.judge = [&](const prove::Ask& ask, prove::Tell& tell) { knowledge.judge(ask, tell); };
  responding.holds = [&](std::uint32_t spi) { return knowledge.holds(spi); };
  responding.ready = [&](std::string_view text) {
    session.console().err(
        fmt::format("Responding for the rules of {}, {}; interrupt (Ctrl-C) to end.\n", session.shown_spd(), text));
  };
  responding.stop = HeldSignals::fd();
  const auto done = probe::respond(responding);
  held.forget();
  if (done) return Status::ok;
  session.console().complain(done.error().text);
  return session.status_for(done.error().code);
}

}  // namespace ipseckey::cli
