// 1. Each function below finds one kind of thing: rules without an SA, SAs that no rule uses, counters of dropped
//    packets with the rules that may have dropped them, settings of interfaces, policies that are missing.
// 2. findings() asks them all. The counters are explained by the rules that can have caused them: those that lack an SA
//    for packets that found none, those that demand protection for packets that came otherwise, those that drop.
#include "cli/rules/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "base/harmless.h"
#include "cli/rules/findings.h"
#include "kernel/facts.h"
#include "pfkey/names.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Action;
using policy::Direction;
using policy::Fate;
using policy::Service;
using Weight = Finding::Weight;
using Findings = std::vector<Finding>;

constexpr std::array kBoth = {Direction::out, Direction::in};
constexpr std::size_t kMostNamed = 8;

std::string name_of(const HeldRule& h) { return fmt::format("rule #{}", h.index); }

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostNamed; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNamed) text += fmt::format(" and {} more", names.size() - kMostNamed);
  return text;
}

// The rules of which something is true.
std::vector<std::string> rules_that(const RuleDiagnosis& d, const std::function<bool(const HeldRule&)>& is) {
  std::vector<std::string> names;
  for (const HeldRule& h : d.rules)
    if (is(h)) names.push_back(fmt::format("#{}", h.index));
  return names;
}

bool has_action(const policy::Rule& rule, Action action) { return rule.alternatives[0].action == action; }

policy::Serving serving_of(const RuleDiagnosis& d, const HeldRule& h, Direction way) {
  return serve(h.rule, way, d.sas.sas, d.sas.chooser, nullptr, d.by_peer);
}

bool lacks(const RuleDiagnosis& d, const HeldRule& h, Direction way) {
  return d.sas.known && serving_of(d, h, way).service == Service::missing;
}

void without_rules(const RuleDiagnosis& d, Findings& out) {
  if (!d.rules.empty()) return;
  out.push_back({Weight::problem, d.database,
                 d.is_kernel() ? "there are no rules: nothing is protected, and everything passes in the clear"
                               : "there are no rules: what is routed into its device is protected, and nothing else",
                 "ipsecconf apply FILE"});
}

// What other programs' rules let pass, though ours protect or drop it.
void exposed_rules(const RuleDiagnosis& d, Findings& out) {
  for (const backend::RuleRemark& r : d.exposed)
    out.push_back({Weight::problem, name_of(d.rules[r.rule]), r.message, ""});
}

// What the host needs in clear. A rule of another program counts only where it says all about its packets.
void unguarded_packets(const RuleDiagnosis& d, Findings& out) {
  policy::Rules rules;
  std::vector<std::size_t> tried;
  for (std::size_t i = 0; i < d.rules.size(); ++i) {
    rules.push_back(d.rules[i].rule);
    if (!d.rules[i].foreign || d.rules[i].remarks.empty()) tried.push_back(i);
  }
  std::set<std::pair<std::size_t, std::string_view>> named;
  for (const policy::Unguarded& u : unguarded(rules, tried, d.guards)) {
    const HeldRule& h = d.rules[u.rule];
    if (!named.emplace(u.rule, d.guards[u.guard].packets).second) continue;
    out.push_back(
        {Weight::problem, name_of(h), fmt::format("it is also about {}", d.guards[u.guard].packets),
         h.foreign ? "end that program, or let a rule pass that before it" : "ipsecconf --guards apply FILE"});
  }
}

// An SA with only this objection was probably meant for the rule.
bool is_near(policy::Objection o) {
  using enum policy::Objection;
  return o != protocol && o != mode && o != ends && o != addresses && o != inner_addresses;
}

void rules_and_sas(const RuleDiagnosis& d, Findings& out) {
  if (!d.sas.known) return;
  for (const HeldRule& h : d.rules)
    for (const Direction way : kBoth) {
      const policy::Serving s = serving_of(d, h, way);
      const std::string_view packets = way == Direction::out ? "what it sends" : "what comes in";
      for (const policy::Need& need : s.needs) {
        const policy::Candidate* const bad = need.first(Fate::breaks);
        if (!bad) continue;
        out.push_back({Weight::problem, name_of(h),
                       fmt::format("{} is protected by the {}, but {}", packets,
                                   cli::name_of(d.sas.sas[bad->sa], need.type), words(bad->objections.front())),
                       "replace the SA, or change the rule"});
        break;
      }
      if (s.service != Service::missing) continue;
      const policy::Need* lacking = &s.needs.front();
      for (const policy::Need& need : s.needs)
        if (need.alternative == lacking->alternative && !need.first(Fate::serves)) lacking = &need;
      std::string nearly;
      for (const policy::Candidate& c : lacking->candidates)
        if (c.objections.size() == 1 && nearly.empty() && is_near(c.objections.front()))
          nearly = fmt::format("; the {} would do, but {}", cli::name_of(d.sas.sas[c.sa], lacking->type),
                               words(c.objections.front()));
      out.push_back({Weight::problem, name_of(h), fmt::format("no SA protects {}{}", packets, nearly),
                     fmt::format("in the file of keys: {}", command_for(h.rule, way, *lacking))});
    }
}

// SAs that are there for nothing: most often their reqid is not that of the rule.
void unused_sas(const RuleDiagnosis& d, Findings& out) {
  if (!d.sas.known || d.rules.empty()) return;
  std::vector<bool> used(d.sas.sas.size());
  for (const HeldRule& h : d.rules)
    for (const Direction way : kBoth)
      for (const policy::Need& need : serving_of(d, h, way).needs)
        for (const policy::Candidate& c : need.candidates)
          if (c.fate == Fate::serves || c.fate == Fate::breaks || c.fate == Fate::older) used[c.sa] = true;
  for (std::size_t i = 0; i < used.size(); ++i)
    if (!used[i] && d.sas.sas[i].usable)
      out.push_back({Weight::remark, cli::name_of(d.sas.sas[i], d.sas.sas[i].facts.type),
                     d.sas.sas[i].facts.reqid == 0
                         ? "no rule uses it"
                         : fmt::format("no rule uses it; its reqid is {}", d.sas.sas[i].facts.reqid),
                     "ipsecconf explain says why, for a packet"});
}

// A counter of dropped packets, and the rules that may have dropped them.
struct Counter {
  std::string_view name;
  bool (*suspect)(const RuleDiagnosis&, const HeldRule&);
  std::string_view suspects;  // "rules that ...".
};
constexpr std::array kCounters = {
    Counter{"XfrmOutNoStates", [](const RuleDiagnosis& d, const HeldRule& h) { return lacks(d, h, Direction::out); },
            "rules without an SA for what they send"},
    Counter{"XfrmInTmplMismatch",
            [](const RuleDiagnosis&, const HeldRule& h) { return h.rule.in && has_action(h.rule, Action::ipsec); },
            "rules that demand protection of what comes in"},
    Counter{"XfrmInNoPols",
            [](const RuleDiagnosis&, const HeldRule& h) {
              return h.rule.in && in_tunnel_mode(h.rule, h.rule.alternatives[0].protection);
            },
            "rules in tunnel mode, for other packets"},
    Counter{"XfrmInPolBlock",
            [](const RuleDiagnosis&, const HeldRule& h) { return h.rule.in && has_action(h.rule, Action::drop); },
            "rules that drop what comes in"},
    Counter{"XfrmOutPolBlock",
            [](const RuleDiagnosis&, const HeldRule& h) { return h.rule.out && has_action(h.rule, Action::drop); },
            "rules that drop what is sent"},
};

void counters(const RuleDiagnosis& d, Findings& out) {
  if (!d.is_kernel()) return;
  for (const auto& [name, value] : d.kernel.counters) {
    if (value == 0) continue;
    std::string text =
        fmt::format("{} packet{} dropped: {}", value, value == 1 ? "" : "s", kernel::counter_meaning(name));
    const auto row = std::ranges::find(kCounters, name, &Counter::name);
    if (row != kCounters.end()) {
      const auto suspects = rules_that(d, [&](const HeldRule& h) { return row->suspect(d, h); });
      text += suspects.empty() ? fmt::format("; there are no {} now", row->suspects)
                               : fmt::format("; {}: {}", row->suspects, listed(suspects));
    }
    out.push_back({Weight::problem, name, std::move(text), "ipsecconf explain says what happens to a packet"});
  }
}

// An ipsecd counts by rule. Drops by a rule that says drop are only remarked.
void drops(const RuleDiagnosis& d, Findings& out) {
  constexpr std::string_view kCure = "ipsecconf explain says what happens to a packet";
  const auto packets = [](std::uint64_t n, std::string_view which) {
    return fmt::format("{} packet{} that {} {} dropped", n, n == 1 ? "" : "s", which, n == 1 ? "was" : "were");
  };
  for (const HeldRule& h : d.rules)
    for (const auto& [dropped, which] : {std::pair(h.dropped_out, "left"), std::pair(h.dropped_in, "came in")})
      if (dropped.packets > 0)
        out.push_back({has_action(h.rule, Action::drop) ? Weight::remark : Weight::problem, name_of(h),
                       fmt::format("{}; the last one: {}", packets(dropped.packets, which), dropped.why),
                       std::string(kCure)});
  for (const auto& [dropped, which] : {std::pair(d.dropped.first, "left"), std::pair(d.dropped.second, "came in")})
    if (dropped.packets > 0)
      out.push_back({Weight::remark, d.database,
                     fmt::format("of all packets, {}: {}", packets(dropped.packets, which), dropped.why), ""});
}

void interfaces(const RuleDiagnosis& d, Findings& out) {
  if (!d.is_kernel()) return;
  const auto tunnels = rules_that(d, [](const HeldRule& h) {
    return has_action(h.rule, Action::ipsec) && in_tunnel_mode(h.rule, h.rule.alternatives[0].protection);
  });
  for (const kernel::InterfaceSettings& i : d.kernel.interfaces) {
    if (i.name == "default" || i.name == "lo") continue;  // Of `lo`, both are usual.
    const auto cure = [&](std::string_view setting) { return fmt::format("sysctl -w net.{}=0", setting); };
    if (i.no_xfrm.value_or(false))
      out.push_back({Weight::problem, i.name,
                     "disable_xfrm is set: what leaves by it is not protected, whatever the rules say",
                     cure(fmt::format("ipv4.conf.{}.disable_xfrm", i.name))});
    for (const auto& [set, family] : {std::pair(i.no_policy_v4, "ipv4"), std::pair(i.no_policy_v6, "ipv6")})
      if (set.value_or(false))
        out.push_back({Weight::problem, i.name, "disable_policy is set: what comes in by it is accepted in the clear",
                       cure(fmt::format("{}.conf.{}.disable_policy", family, i.name))});
    if (i.rp_filter == 1 && !tunnels.empty())
      out.push_back(
          {Weight::remark, i.name,
           fmt::format("rp_filter is 1: what comes out of a tunnel (rules {}) is dropped if the way back is not "
                       "by this interface",
                       listed(tunnels)),
           fmt::format("sysctl -w net.ipv4.conf.{}.rp_filter=2", i.name)});
  }
}

void defaults(const RuleDiagnosis& d, Findings& out) {
  if (!d.is_kernel()) return;
  const auto lacking = rules_that(d, [&](const HeldRule& h) { return lacks(d, h, Direction::out); });
  if (!lacking.empty() && d.kernel.larval_drop)
    out.push_back({Weight::remark, "xfrm_larval_drop",
                   *d.kernel.larval_drop ? "without an SA, a packet is dropped, and its sender gets no error"
                                         : "without an SA, packets wait for one, up to a hundred",
                   ""});
  if (!d.kernel.defaults) return;
  for (const auto& [blocks, way] : {std::pair(d.kernel.defaults->in, "in"), std::pair(d.kernel.defaults->fwd, "fwd"),
                                    std::pair(d.kernel.defaults->out, "out")})
    if (blocks)
      out.push_back({Weight::remark, fmt::format("default {}", way), "packets that no rule is about are dropped",
                     fmt::format("ip xfrm policy setdefault {} accept", way)});
}

// What a tunnel brings for others is dropped without a policy for forwarding.
void forwarding(const RuleDiagnosis& d, Findings& out) {
  if (!d.is_kernel() || (!d.kernel.forwards_v4 && !d.kernel.forwards_v6)) return;
  for (const HeldRule& h : d.rules) {
    const auto has = [&](std::string_view way) {
      return std::ranges::find(h.policies, way, &backend::KernelPolicy::direction) != h.policies.end();
    };
    if (!has("in") || has("fwd") || !has_action(h.rule, Action::ipsec)) continue;
    if (!in_tunnel_mode(h.rule, h.rule.alternatives[0].protection)) continue;
    out.push_back(
        {Weight::problem, name_of(h),
         "this host forwards, and the rule has no policy for it: what comes out of its tunnel for other hosts "
         "is dropped (XfrmInNoPols)",
         h.foreign ? "ip xfrm policy add ... dir fwd" : "ipsecconf apply FILE"});
  }
}

void foreign_rules(const RuleDiagnosis& d, Findings& out) {
  const auto foreign = rules_that(d, [](const HeldRule& h) { return h.foreign; });
  if (foreign.empty()) return;
  out.push_back({Weight::remark, d.database,
                 fmt::format("{} rule{} of other programs: {}; they are never changed, and tried where -L shows them",
                             foreign.size(), foreign.size() == 1 ? " is" : "s are", listed(foreign)),
                 ""});
}

}  // namespace

Findings findings(RuleDiagnosis d) {
  Findings all;
  const policy::SasByPeer by_peer(d.sas.sas);
  d.by_peer = &by_peer;
  for (const auto find : {without_rules, exposed_rules, rules_and_sas, unguarded_packets, counters, drops, interfaces,
                          defaults, forwarding, unused_sas, foreign_rules})
    find(d, all);
  std::ranges::stable_sort(all, [](const Finding& a, const Finding& b) { return a.weight > b.weight; });
  return all;
}

}  // namespace ipseckey::cli
