// `prove --respond`, the other end of a proof:
// 1. The rules are read at the start and when they have changed (Knowledge::changed), SAs when they are asked about.
//    Rules that cannot be read any more are none: then nobody is answered.
// 2. probe/responder.h answers what comes; it asks judge() about each question.
// 3. of_asker() finds the SAs of the question's SPIs, if the asker is their other end; SPIs that were held before are
//    remembered.
// 4. judge() finds the rules that the asker's own probes and the answers to them meet, and what these have against the
//    SA.
// 5. A signal ends it.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <set>
#include <unordered_map>

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
  Knowledge(RuleSession& session, ProofGround ground, std::vector<Address> peers)
      : session_(session), ground_(std::move(ground)), peers_(std::move(peers)) {
    if (backend::Spd* const spd = session_.spd())
      if (auto news = spd->listen()) news_ = *std::move(news);
    index_rules();
    index_sas();
  }

  const ProofGround& ground() const { return ground_; }
  bool changed();
  bool named(const Address& a) const { return hosts_.contains(a); }
  bool demanded(const Flow& flow);
  probe::Leaving leaving(const Flow& flow);
  bool judge(const prove::Asker& asker, const prove::Ask& ask, prove::Tell& tell);

 private:
  std::chrono::nanoseconds now() const { return session_.world().clock().steady; }
  void refresh_sas();
  void index_rules();
  void index_sas();
  std::optional<std::size_t> first(const Flow& flow, Direction d) const;
  policy::Serving serving(std::size_t rule, const Flow& flow, Direction d) const;
  std::optional<Address> address_for(const prove::Asker& asker, const policy::Prefix& wanted) const;
  bool is_askers(const prove::Asker& asker, const prove::Ask& ask, const std::optional<Address>& end,
                 const std::optional<policy::Prefix>& inner) const;
  bool is_askers(const prove::Asker& asker, const prove::Ask& ask, const policy::SaFacts& sa, bool in) const;
  bool own_flow(const prove::Asker& asker, const prove::Ask& ask) const;
  SaThere of_asker(const prove::Asker& asker, const prove::Ask& ask, std::uint32_t spi, bool inbound);

  RuleSession& session_;
  ProofGround ground_;
  std::vector<Address> peers_;  // That the user named.
  std::unique_ptr<backend::RuleListener> news_;
  std::chrono::nanoseconds rules_at_{}, sas_at_{};  // When they are read again.
  std::set<Address> hosts_;                         // Peers by the rules and the user.
  std::vector<std::size_t> tried_;
  std::unordered_multimap<std::uint32_t, std::size_t> by_spi_;
  std::optional<policy::SasByPeer> by_peer_;
  // SPIs that were held, and their other ends.
  struct Past {
    std::optional<Address> end;
    std::optional<policy::Prefix> inner;
  };
  std::unordered_map<std::uint32_t, Past> past_;
  std::deque<std::uint32_t> past_order_;
  LocalAddresses own_;
};

void Knowledge::index_rules() {
  tried_.resize(ground_.rules.size());
  std::iota(tried_.begin(), tried_.end(), std::size_t{0});
  hosts_ = {peers_.begin(), peers_.end()};
  for (const policy::Rule& rule : ground_.rules) {
    const auto& remote = rule.selector.remote;
    if (remote && remote->length == remote->address.bits()) hosts_.insert(remote->address);
    for (const policy::Alternative& a : rule.alternatives)
      if (const auto& ends = a.protection.ends; ends && !is_unspecified(ends->remote)) hosts_.insert(ends->remote);
  }
}

void Knowledge::index_sas() {
  constexpr std::size_t kMostPast = 1 << 16;
  by_spi_.clear();
  by_peer_.emplace(ground_.sas);
  for (std::size_t i = 0; i < ground_.sas.size(); ++i) {
    const policy::SaFacts& sa = ground_.sas[i].facts;
    by_spi_.emplace(sa.spi, i);
    const bool in = own_.contains(sa.dst, now());
    if (!past_.contains(sa.spi)) past_order_.push_back(sa.spi);
    past_[sa.spi] = in ? Past{sa.src, sa.inner_src} : Past{sa.dst, sa.inner_dst};
    if (past_order_.size() > kMostPast) past_.erase(past_order_.front()), past_order_.pop_front();
  }
}

bool Knowledge::changed() {
  bool look = now() >= rules_at_;
  if (news_) {
    const auto heard = news_->changed();
    if (!heard) news_.reset();
    look = !heard || *heard;
  }
  if (!look) return false;
  const auto begin = now();
  std::vector<backend::HeldRule> held;
  if (backend::Spd* const spd = session_.spd())
    if (auto listed = spd->list()) held = std::move(*listed);
  rules_at_ = now() + std::max<std::chrono::nanoseconds>(std::chrono::seconds(1), 20 * (now() - begin));
  policy::Rules rules;
  for (const backend::HeldRule& h : held) rules.push_back(h.rule);
  if (rules == ground_.rules) return false;
  ground_.held = std::move(held), ground_.rules = std::move(rules);
  index_rules();
  return true;
}

// A list of many SAs is not read for every question.
void Knowledge::refresh_sas() {
  const auto begin = now();
  if (begin < sas_at_) return;
  by_peer_.reset();
  // An error leaves none.
  const auto read = read_sas(session_, ground_);
  if (!read) ground_.views.clear(), ground_.sas.clear();
  index_sas();
  sas_at_ = now() + std::max<std::chrono::nanoseconds>(std::chrono::milliseconds(50), 20 * (now() - begin));
}

std::optional<std::size_t> Knowledge::first(const Flow& flow, Direction d) const {
  return policy::match(ground_.rules, tried_, flow, d);
}

policy::Serving Knowledge::serving(std::size_t rule, const Flow& flow, Direction d) const {
  return policy::serve(ground_.rules[rule], d, ground_.sas, ground_.chooser, &flow, &*by_peer_);
}

bool Knowledge::demanded(const Flow& flow) {
  const auto rule = first(flow, Direction::in);
  return rule && !ground_.held[*rule].partial &&
         policy::outcome(ground_.rules[*rule], Direction::in) == policy::Outcome::protect;
}

probe::Leaving Knowledge::leaving(const Flow& flow) {
  refresh_sas();
  const auto rule = first(flow, Direction::out);
  if (!rule) return {};
  for (const policy::Need& need : serving(*rule, flow, Direction::out).needs)
    if (const policy::Candidate* const c = need.first(policy::Fate::serves))
      return {ground_.sas[c->sa].facts.spi, ground_.sas[c->sa].facts.dst};
  return {};
}

bool names(const policy::Rule& rule, const Address& peer) {
  const auto& remote = rule.selector.remote;
  if (remote && remote->length == remote->address.bits() && remote->address == peer) return true;
  return std::ranges::any_of(rule.alternatives, [&](const policy::Alternative& a) {
    return a.protection.ends && a.protection.ends->remote == peer;
  });
}

// An address of this host that is among those wanted, and among those that a rule has for the asker.
std::optional<Address> Knowledge::address_for(const prove::Asker& asker, const policy::Prefix& wanted) const {
  std::vector<policy::Prefix> may;
  for (const policy::Rule& rule : ground_.rules) {
    const auto& s = rule.selector;
    const bool his = names(rule, asker.address) || (asker.sealed && s.remote && s.remote->contains(asker.address));
    if (his && s.local && (s.local->contains(wanted) || wanted.contains(*s.local)))
      may.push_back(s.local->length > wanted.length ? *s.local : wanted);
  }
  if (may.empty()) return std::nullopt;
  for (const Address& a : local_addresses())
    if (!is_link_local(a) && std::ranges::any_of(may, [&](const policy::Prefix& p) { return p.contains(a); })) return a;
  return std::nullopt;
}

// Whether an SA with that other end, and these addresses behind it, is one with the asker. A NAT may give a peer
// that the user named an address that its SAs do not have.
bool Knowledge::is_askers(const prove::Asker& asker, const prove::Ask& ask, const std::optional<Address>& end,
                          const std::optional<policy::Prefix>& inner) const {
  if (!end || is_unspecified(*end)) return asker.sealed;
  if (*end == asker.address) return true;
  if (std::ranges::find(peers_, asker.address) != peers_.end() && *end == ask.outer) return true;
  if (!asker.sealed) return false;
  if (inner && inner->contains(asker.address)) return true;
  return std::ranges::any_of(ground_.rules, [&](const policy::Rule& rule) {
    return rule.selector.remote && rule.selector.remote->contains(asker.address) && names(rule, *end);
  });
}

bool Knowledge::is_askers(const prove::Asker& asker, const prove::Ask& ask, const policy::SaFacts& sa, bool in) const {
  return in ? is_askers(asker, ask, sa.src, sa.inner_src) : is_askers(asker, ask, sa.dst, sa.inner_dst);
}

// Whether the asked probes are the asker's: from its address, or from behind it by a rule about its tunnel.
bool Knowledge::own_flow(const prove::Asker& asker, const prove::Ask& ask) const {
  if (ask.from == asker.address) return true;
  return std::ranges::any_of(ground_.rules, [&](const policy::Rule& rule) {
    const auto& s = rule.selector;
    return names(rule, asker.address) && s.remote && s.remote->contains(ask.from) && s.local &&
           s.local->contains(ask.to);
  });
}

SaThere Knowledge::of_asker(const prove::Asker& asker, const prove::Ask& ask, std::uint32_t spi, bool inbound) {
  SaThere there;
  if (spi == 0) return there;
  const prove::SaView* best = nullptr;
  bool best_in = false;
  const auto [begin, end] = by_spi_.equal_range(spi);
  for (auto at = begin; at != end; ++at) {
    const prove::SaView& sa = ground_.views[at->second];
    const bool in = own_.contains(sa.held.facts.dst, now());
    if (!is_askers(asker, ask, sa.held.facts, in)) continue;
    if (!best || (in == inbound && best_in != inbound)) best = &sa, best_in = in;
  }
  if (begin == end)
    if (const auto past = past_.find(spi); past != past_.end())
      there.was_held = is_askers(asker, ask, past->second.end, past->second.inner);
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

bool Knowledge::judge(const prove::Asker& asker, const prove::Ask& ask, prove::Tell& tell) {
  refresh_sas();
  tell.mine = address_for(asker, ask.wanted);
  tell.to_me = of_asker(asker, ask, ask.out_spi, true);
  tell.to_you = of_asker(asker, ask, ask.in_spi, false);
  tell.to_you.held = ask.in_spi != 0 && tell.to_you.outbound;
  const bool owns = tell.to_me.held || tell.to_me.was_held || tell.to_me.outbound;
  if (!own_flow(asker, ask)) return owns;
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
  if (const auto rule = first(in, Direction::in)) {
    const auto served = serving(*rule, in, Direction::in);
    tell.in_rule = treatment(ground_.rules[*rule], Direction::in, served);
    if (owns) add_objections(ground_, served, ask.out_spi, tell.to_me);
  }
  if (const auto rule = first(out, Direction::out)) {
    const auto served = serving(*rule, out, Direction::out);
    tell.out_rule = treatment(ground_.rules[*rule], Direction::out, served);
    for (const policy::Need& need : served.needs)
      if (const policy::Candidate* const c = need.first(policy::Fate::serves);
          c && is_askers(asker, ask, ground_.sas[c->sa].facts, false))
        tell.out_spi = ground_.sas[c->sa].facts.spi;
  }
  return owns;
}

}  // namespace

Status respond_to_proofs(RuleSession& session) {
  ProofGround ground;
  if (const Status status = read_ground(session, ground); status != Status::ok) return status;
  std::vector<Address> peers;
  if (const auto peer = parse_address(session.settings().peer)) peers.push_back(*peer);
  Knowledge knowledge(session, std::move(ground), peers);
  const HeldSignals held(HeldSignals::Ignored::count_too);
  probe::Responding responding;
  responding.rules = [&]() -> const policy::Rules& { return knowledge.ground().rules; };
  responding.changed = [&] { return knowledge.changed(); };
  responding.demanded = [&](const Flow& flow) { return knowledge.demanded(flow); };
  responding.leaving = [&](const Flow& flow) { return knowledge.leaving(flow); };
  responding.is_local = own_addresses(session.world().clock);
  responding.named = [&](const Address& a) { return knowledge.named(a); };
  responding.peers = peers;
  responding.database = knowledge.ground().database;
  responding.judge = [&](const prove::Asker& asker, const prove::Ask& ask, prove::Tell& tell) {
    return knowledge.judge(asker, ask, tell);
  };
  responding.warn = [&](std::string_view text) { session.console().complain(text); };
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
