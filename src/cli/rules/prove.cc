// `prove`:
// 1. The rules of the database, or of FILE, that demand protection are listed with the hosts at their other ends:
// --peer,
//    the address that the rule names, or those that its SAs lead to.
// 2. For each, plan() chooses the two addresses, and says what should happen: rule, SAs, routes.
// 3. probe/prover.h sends packets and notes what was seen, prove/judge.h says what it means.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <span>

#include "cli/rules/file.h"
#include "cli/rules/proof.h"
#include "cli/rules/table.h"
#include "kernel/route.h"
#include "probe/local.h"
#include "probe/prover.h"
#include "probe/socket.h"
#include "system/local_addresses.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;
using policy::Rule;
using prove::Facts;

// Less than this is not enough for one peer: a question, probes, a packet that is repeated. A peer may have more.
constexpr unsigned kFewestPackets = 18;
constexpr std::chrono::milliseconds kLeastTime{1'500};

// What is tried for one line of the result.
struct Aim {
  HeldRule held;
  bool loaded = true;
  Address remote, local;         // Of the probes.
  Address outer_to, outer_from;  // Of what carries them.
  probe::Budget share;           // Of the rule's budget.
};

// What a rule may still spend on its peers.
class Purse {
 public:
  explicit Purse(std::chrono::nanoseconds now) : end_(now + probe::Budget().time) {}
  // An equal share for each of those that are left, but not too little for one; nullopt: nothing is left for another.
  std::optional<probe::Budget> share(std::size_t peers, std::chrono::nanoseconds now) const {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - now);
    if (packets_ < kFewestPackets || time < kLeastTime) return std::nullopt;
    const auto count = static_cast<unsigned>(std::max<std::size_t>(peers, 1));
    return probe::Budget{std::max(packets_ / count, kFewestPackets), std::max(time / count, kLeastTime)};
  }
  void spend(unsigned packets) { packets_ -= std::min(packets_, packets); }

 private:
  unsigned packets_ = probe::Budget().packets;
  std::chrono::nanoseconds end_;
};

struct Prover {
  RuleSession& session;
  ProofGround ground;
  probe::Local local;
  std::vector<Address> own;
  kernel::PolicyView settings;
  std::vector<kernel::Link> links = {};
  std::vector<Proof> proofs = {};

  std::vector<HeldRule> chosen(const std::vector<HeldRule>& from) const;
  std::vector<Address> peers(const Rule& rule) const;
  std::optional<Address> remote_in(const Rule& rule, const Address& end, Purse& purse) const;
  std::optional<Address> local_for(const Rule& rule, const Address& remote) const;
  void serve(Facts& f, const Rule& rule) const;
  prove::Way way(const Address& to, const std::optional<Address>& from, std::uint32_t mark) const;
  void prove_rule(const HeldRule& held, bool loaded);
  unsigned prove_with(const Aim& aim);
  void not_tried(const HeldRule& held, std::span<const Address> ends);
  void cannot(const HeldRule& held, std::string peer, std::string cause, std::string text, std::string cure);
};

bool demands_protection(const Rule& rule) {
  return std::ranges::any_of(rule.alternatives,
                             [](const policy::Alternative& a) { return a.action == policy::Action::ipsec; });
}

const policy::Protection& first_protection(const Rule& rule) {
  return std::ranges::find(rule.alternatives, policy::Action::ipsec, &policy::Alternative::action)->protection;
}

bool whole(const std::optional<policy::Prefix>& p) { return p && p->length == p->address.bits(); }

std::optional<Address> peer_asked(const RuleSession& session) { return parse_address(session.settings().peer); }

// The outer ends at which the rule's protected packets arrive: those that it names, or that its SAs have.
std::vector<Address> Prover::peers(const Rule& rule) const {
  std::set<Address> all;
  const policy::Protection& p = first_protection(rule);
  if (p.ends && !is_unspecified(p.ends->remote)) return {p.ends->remote};
  if (!in_tunnel_mode(rule, p) && whole(rule.selector.remote)) return {rule.selector.remote->address};
  const auto serving = policy::serve(rule, Direction::out, ground.sas, ground.chooser);
  for (const policy::Need& need : serving.needs)
    for (const policy::Candidate& c : need.candidates) {
      const bool other = std::ranges::find(c.objections, policy::Objection::addresses) != c.objections.end();
      const Address& to = ground.sas[c.sa].facts.dst;
      if (!other && !is_multicast(to) && std::ranges::find(own, to) == own.end()) all.insert(to);
    }
  return {all.begin(), all.end()};
}

// A host behind that end, for the probes.
std::optional<Address> Prover::remote_in(const Rule& rule, const Address& end, Purse& purse) const {
  const auto& remote = rule.selector.remote;
  if (const auto asked = peer_asked(session); asked && (!remote || remote->contains(*asked))) return asked;
  if (whole(remote)) return remote->address;
  if (!remote || remote->contains(end)) return end;
  constexpr std::chrono::milliseconds kPatience{600};
  purse.spend(2);
  if (auto told = probe::address_there(end, *remote, kPatience)) return told;
  Address first = remote->address;  // By habit the gateway's.
  first.octets[first.size() - 1] |= std::byte{1};
  return first;
}

std::optional<Address> Prover::local_for(const Rule& rule, const Address& remote) const {
  const auto fits = [&](const Address& a) {
    return a.family == remote.family && (!rule.selector.local || rule.selector.local->contains(a)) &&
           is_link_local(a) == is_link_local(remote);
  };
  const auto by_route = probe::source_for(remote, rule.mark ? rule.mark->value : 0);
  if (by_route && fits(*by_route)) return by_route;
  const auto found = std::ranges::find_if(own, fits);
  return found == own.end() ? std::nullopt : std::optional(*found);
}

// What the rules and SAs say about the flow, as far as it is known.
void Prover::serve(Facts& f, const Rule& rule) const {
  policy::Flow back = f.flow;
  if (back.icmp_type) back.icmp_type = *back.icmp_type == 8 ? 0 : 129;
  const auto out = met(ground, f.flow, Direction::out), in = met(ground, back, Direction::in);
  f.out = policy::serve(rule, Direction::out, ground.sas, ground.chooser, &f.flow);
  f.ahead_out.clear(), f.ahead_clear = false;
  if (rule.out && out && !(ground.rules[*out] == rule)) {
    f.ahead_out = rule_name(ground.held[*out]);
    f.ahead_clear = policy::outcome(ground.rules[*out], Direction::out) == policy::Outcome::clear;
  }
  const Rule& inward = in ? ground.rules[*in] : rule;
  f.in = in || rule.in ? policy::serve(inward, Direction::in, ground.sas, ground.chooser, &back) : policy::Serving();
  f.sas = ground.views;
}

prove::Way Prover::way(const Address& to, const std::optional<Address>& from, std::uint32_t mark) const {
  prove::Way way;
  auto routes = kernel::Routes::open();
  const auto route = routes ? routes->to(to, from, mark) : std::unexpected(routes.error());
  if (!route) return way;
  way.known = true;
  way.next = route->gateway.value_or(to);
  for (const kernel::Link& link : links) {
    if (link.index != route->device) continue;
    way.device = pfkey::escaped(link.name);
    way.mtu = route->mtu != 0 ? route->mtu : link.mtu;
    way.into_ipsec = link.name == local.device || link.kind == "xfrm" || link.kind.starts_with("vti");
  }
  return way;
}

void Prover::cannot(const HeldRule& held, std::string peer, std::string cause, std::string text, std::string cure) {
  Proof& p = proofs.emplace_back(Proof{held.index, held.rule.line, std::move(peer), {}, {}});
  p.verdict = {prove::State::not_shown, std::move(cause), std::move(text), std::move(cure), {}, {}};
}

// Whether the rules would protect IPv6 neighbour discovery with that host.
bool protects_neighbours(const ProofGround& ground, const Address& here, const Address& there) {
  if (there.family != Family::v6) return false;
  Address group = *parse_address("ff02::1:ff00:0");
  std::copy_n(there.octets.end() - 3, 3, group.octets.end() - 3);
  constexpr std::uint8_t kIcmp6 = 58, kSolicitation = 135;
  for (const Address& to : {there, group}) {
    policy::Flow flow{here, to, kIcmp6, {}, {}, kSolicitation, 0, {}};
    const auto rule = met(ground, flow, Direction::out);
    if (rule && policy::outcome(ground.rules[*rule], Direction::out) == policy::Outcome::protect) return true;
  }
  return false;
}

// Returns how many packets were sent.
unsigned Prover::prove_with(const Aim& aim) {
  const Rule& rule = aim.held.rule;
  probe::Plan plan;
  Facts& f = plan.facts;
  f.database = local.database, f.device = local.device;
  f.rule = rule, f.loaded = aim.loaded;
  f.flow.local = aim.local, f.flow.remote = aim.remote;
  plan.mark = rule.mark ? rule.mark->value : 0;
  f.flow.mark = plan.mark, f.flow.if_id = rule.if_id.value_or(0);
  f.outer_to = aim.outer_to, plan.outer_from = aim.outer_from;
  f.inner = way(aim.remote, aim.local, plan.mark), f.outer = way(aim.outer_to, {}, 0);
  f.neighbours_protected = protects_neighbours(ground, aim.outer_from, aim.outer_to);
  for (const kernel::InterfaceSettings& s : settings.interfaces)
    if (s.name == f.inner.device) f.unchecked_device = s.no_xfrm == true || s.no_policy_v4 == true;
  f.now = seconds_since_1970(session.world().clock());
  for (const prove::SaView& sa : ground.views)
    if (sa.udp) plan.udp_ports.push_back(sa.src_port), plan.udp_ports.push_back(sa.dst_port);
  plan.wanted = rule.selector.remote.value_or(policy::Prefix{aim.remote, static_cast<std::uint8_t>(aim.remote.bits())});
  plan.database = ground.database;
  plan.budget = aim.share;
  plan.serve = [this, &rule](Facts& facts) { serve(facts, rule); };
  Proof proof{aim.held.index, rule.line, to_string(aim.remote), {}, {}};
  if (!aim.loaded) {
    proof.verdict = prove::judge(f);
  } else if (auto seen = probe::observe(std::move(plan))) {
    proof.facts = *std::move(seen);
    proof.verdict = prove::judge(*proof.facts);
  } else {
    cannot(aim.held, proof.peer, "cannot-try", seen.error().text, "run it as root");
    return 0;
  }
  const unsigned packets = proof.facts ? proof.facts->packets : 0;
  proofs.push_back(std::move(proof));
  return packets;
}

void Prover::not_tried(const HeldRule& held, std::span<const Address> ends) {
  constexpr std::size_t kNamed = 16;
  std::string names;
  for (const Address& end : ends.first(std::min(ends.size(), kNamed)))
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(end));
  if (ends.size() > kNamed) names += fmt::format(" and {} more", ends.size() - kNamed);
  cannot(held, "", "more-peers",
         fmt::format("not tried, as {} packets and 5 s are the most for a rule: {}", probe::Budget().packets, names),
         "name them one by one with --peer ADDRESS");
}

void Prover::prove_rule(const HeldRule& held, bool loaded) {
  const Rule& rule = held.rule;
  if (!rule.out)
    return cannot(held, "", "inbound-only", "it is only about what comes in: a rule about what is sent shows it, too",
                  "run `ipsecconf prove` at the other end");
  std::vector<Address> ends = peers(rule);
  const auto asked = peer_asked(session);
  if (ends.empty() && asked && (!rule.selector.remote || rule.selector.remote->contains(*asked))) ends = {*asked};
  if (ends.empty())
    return cannot(held, "", "no-peer", "it names no host at the other end, and no SA leads to one",
                  "name one with --peer ADDRESS");
  if (asked)
    std::erase_if(ends, [&](const Address& end) {
      return *asked != end && !(rule.selector.remote && rule.selector.remote->contains(*asked) && ends.size() == 1);
    });
  const auto now = [&] { return session.world().clock().steady; };
  Purse purse(now());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const Address& end = ends[i];
    if (!purse.share(ends.size() - i, now())) return not_tried(held, std::span(ends).subspan(i));
    const auto remote = remote_in(rule, end, purse);
    const auto from = remote ? local_for(rule, *remote) : std::nullopt;
    if (!from) {
      cannot(held, to_string(end), "no-address",
             "this host has no address of those that the rule names: it protects others",
             "run `ipsecconf prove` on a host behind this one that has one, or give this one an address there");
      continue;
    }
    const policy::Protection& p = first_protection(rule);
    const auto outer = p.ends && !is_unspecified(p.ends->local) ? std::optional(p.ends->local)
                       : end == *remote                         ? from
                                                                : probe::source_for(end, 0);
    const auto share = purse.share(ends.size() - i, now());
    if (!share) return not_tried(held, std::span(ends).subspan(i));
    purse.spend(prove_with({held, loaded, *remote, *from, end, outer.value_or(unspecified(end.family)), *share}));
  }
}

std::vector<HeldRule> Prover::chosen(const std::vector<HeldRule>& from) const {
  std::vector<HeldRule> all;
  const std::string& number = session.settings().rule;
  for (const HeldRule& h : from) {
    if (h.derived || !demands_protection(h.rule)) continue;
    if (!number.empty() && std::to_string(h.index != 0 ? h.index : h.rule.line) != number) continue;
    all.push_back(h);
  }
  return all;
}

// The rules of FILE, with the indexes that the database gives them; 0: it does not have them.
Status rules_of_file(RuleSession& session, const ProofGround& ground, std::vector<HeldRule>& rules) {
  RuleFile file;
  if (const Status status = file.read(session, session.options().argument); status != Status::ok) return status;
  const bool wrong = file.errors() > 0;
  file.print(session, false);
  if (wrong) return Status::failed;
  for (const Rule& rule : file.policy().rules) {
    HeldRule& h = rules.emplace_back();
    h.rule = rule;
    const auto held = std::ranges::find(ground.held, rule, &HeldRule::rule);
    if (held != ground.held.end()) h.index = held->index;
  }
  return Status::ok;
}

Status wrong_words(RuleSession& session) {
  const RuleSettings& s = session.settings();
  if (s.respond && (s.json || !s.rule.empty() || !session.options().argument.empty())) {
    session.console().complain("--respond answers for all rules: it takes no FILE, --rule or --json");
    return Status::usage;
  }
  const bool number = std::ranges::all_of(s.rule, [](char c) { return c >= '0' && c <= '9'; });
  if (!number) session.console().complain(fmt::format("--rule {} is not the index of a rule", shown_word(s.rule)));
  if (!number) return Status::usage;
  if (s.peer.empty() || parse_address(s.peer)) return Status::ok;
  session.console().complain(fmt::format("--peer {} is not an address", shown_word(s.peer)));
  return Status::usage;
}

}  // namespace

Status rules::prove(RuleSession& session) {
  if (const Status status = wrong_words(session); status != Status::ok) return status;
  if (session.settings().respond) return respond_to_proofs(session);
  Prover prover{session, {}, {}, local_addresses(), {}};
  ProofGround& ground = prover.ground;
  if (const Status status = read_ground(session, ground); status != Status::ok) return status;
  std::vector<HeldRule> rules = ground.held;
  const bool by_file = !session.options().argument.empty();
  if (by_file) rules.clear();
  if (by_file)
    if (const Status status = rules_of_file(session, ground, rules); status != Status::ok) return status;
  rules = prover.chosen(rules);
  if (const std::string& number = session.settings().rule; rules.empty() && !number.empty()) {
    session.console().complain(fmt::format("--rule {}: no rule with this {} demands protection: nothing is proved",
                                           shown_word(number), by_file ? "index or line" : "index"));
    return Status::failed;
  }
  if (rules.empty()) {
    session.console().complain("there is no rule that demands protection: nothing is proved");
    return Status::failed;
  }
  if (const auto local = probe::read_local(ground.database)) prover.local = *local;
  if (session.world().view_policies && ground.chooser == policy::Chooser::kernel)
    prover.settings = session.world().view_policies();
  if (auto routes = kernel::Routes::open())
    if (auto links = routes->links()) prover.links = *std::move(links);
  Status status = Status::ok;
  std::size_t printed = 0;
  for (const HeldRule& rule : rules) {
    prover.prove_rule(rule, !by_file || rule.index != 0);
    for (; printed < prover.proofs.size(); ++printed) {
      const Proof& p = prover.proofs[printed];
      session.console().out(session.settings().json ? proof_json(p, session.spd_name()).line() : proof_text(p));
      if (p.verdict.state != prove::State::is_protected) status = Status::failed;
    }
  }
  if (printed == 0) {
    session.console().complain("no rule is about that host: nothing is proved");
    return Status::failed;
  }
  return status;
}

}  // namespace ipseckey::cli
