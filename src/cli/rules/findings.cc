// 1. find_oddities() asks policy/order and policy/guards; nothing outside of the file is needed for it.
// 2. ask_database() passes on what Spd::check() says, and find_exposed() what Spd::exposed() says.
// 3. judge_rules() finds for each rule and direction the SAs that would serve it (policy/serving.h). The message names
//    the SA with its fault, or the line for the file of keys that is missing.
#include "cli/rules/findings.h"

#include <fmt/format.h>

#include "base/text.h"
#include "pfkey/algorithms.h"
#include "pfkey/names.h"
#include "pfkey/near_name.h"
#include "pfkey/units.h"
#include "policy/guards.h"
#include "policy/match.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using pfkey::AlgorithmKind;
using policy::Direction;
using policy::Rule;
using table::Severity;

constexpr std::size_t kMost = 100;  // Of each kind; nobody reads more, and there can be millions.

std::string_view way(Direction d) { return d == Direction::out ? "out" : "in"; }

// A rule that is held already has no line.
std::string the_rule(const Rule& rule) {
  return rule.line == 0 ? fmt::format("the rule `{}`", policylang::write_rule(rule))
                        : fmt::format("the rule in line {}", rule.line);
}

void say_shadows(RuleFile& file, std::span<const Rule> rules, std::span<const std::size_t> tried) {
  const auto shadows = shadowed(rules, tried);
  std::size_t said = 0;
  for (std::size_t i = 0; i < shadows.size() && said < kMost; ++i, ++said) {
    const policy::Shadow& s = shadows[i];
    const bool both = i + 1 < shadows.size() && shadows[i + 1].rule == s.rule && shadows[i + 1].by == s.by;
    const bool one_way = !both && rules[s.rule].out && rules[s.rule].in;
    file.say(rules[s.rule], Severity::warning,
             fmt::format("it is never used{}: {} is tried before, and is about all its packets",
                         one_way ? fmt::format(" ({})", way(s.direction)) : std::string(), the_rule(rules[s.by])));
    if (both) ++i;
  }
}

// Both orders are named at the rule that is later in the file.
void say_disagreements(RuleFile& file, std::span<const Rule> rules, policy::Order by) {
  const auto pairs = disagreements(rules, kMost + 1);
  for (std::size_t i = 0; i < pairs.size() && i < kMost; ++i) {
    const Rule &first = rules[pairs[i].first], &second = rules[pairs[i].second];
    file.say(second, Severity::warning,
             by == policy::Order::file
                 ? fmt::format("Solaris would try it before {}, which is about packets of both", the_rule(first))
                 : fmt::format("it is tried before {}, which is about packets of both, because of its kind; "
                               "with the line `order file` it would not be",
                               the_rule(first)));
  }
  if (pairs.size() > kMost)
    file.say(Severity::warning, fmt::format("the two orders disagree about more than {} pairs of rules", kMost));
}

void say_guards(RuleFile& file, std::span<const Rule> rules, std::span<const std::size_t> tried,
                std::span<const policy::Guard> guards) {
  for (const policy::Unguarded& u : unguarded(rules, tried, guards))
    file.say(rules[u.rule], Severity::warning,
             fmt::format("it is also about {}; --guards lets that pass in the clear", guards[u.guard].packets));
}

std::string end_of(const std::optional<policy::Prefix>& prefix) {
  return prefix && prefix->length == prefix->address.bits() ? to_string(prefix->address) : "ADDRESS";
}

// " encr_alg aes-cbc encrkey KEY", with the least length that is demanded.
std::string algorithm(AlgorithmKind kind, const policy::Choice& choice) {
  const bool auth = kind == AlgorithmKind::auth;
  const std::string name = choice.number ? pfkey::algorithm_name(kind, *choice.number) : "ALGORITHM";
  if (choice.number && *choice.number == pfkey::kEalgNull && !auth) return " encr_alg null";
  const std::string bits = choice.min_bits ? fmt::format("/{}", *choice.min_bits) : "";
  return fmt::format(" {} {} {} KEY{}", auth ? "auth_alg" : "encr_alg", name, auth ? "authkey" : "encrkey", bits);
}

std::string first_objection(const policy::Candidate& candidate) {
  return candidate.objections.empty() ? "" : std::string(words(candidate.objections.front()));
}

std::string protected_words(Direction d) { return d == Direction::out ? "what it sends" : "what comes in"; }

// `level use` and `or pass` demand no protection, each in its way.
std::string_view without_sa(const Rule& rule, Direction d) {
  if (outcome(rule, d) != policy::Outcome::protect_or_clear) return "dropped";
  return d == Direction::out ? "sent in the clear" : "accepted in the clear, and only so";
}

// The rules without an SA so far: of many, only some are shown.
struct Missing {
  static constexpr std::size_t kShown = 10;
  std::size_t count = 0;
};

void judge_one(RuleFile& file, const Rule& rule, Direction d, const RuleSession::Sas& sas,
               const policy::Serving& serving, bool force, Missing& missing) {
  if (serving.service == policy::Service::broken) {
    for (const policy::Need& need : serving.needs)
      if (const policy::Candidate* const bad = need.first(policy::Fate::breaks))
        return file.say(rule, force ? Severity::warning : Severity::error,
                        fmt::format("the database would {} the {} for {}, but {}; replace the SA{}",
                                    d == Direction::out ? "use" : "accept", name_of(sas.held[bad->sa], need.type),
                                    protected_words(d), first_objection(*bad), force ? "" : ", or use --force"));
  }
  if (serving.service != policy::Service::missing || ++missing.count > Missing::kShown) return;
  const policy::Need* lacking = &serving.needs.front();
  for (const policy::Need& need : serving.needs)
    if (need.alternative == lacking->alternative && !need.first(policy::Fate::serves)) lacking = &need;
  file.say(rule, Severity::warning,
           fmt::format("no SA protects {}, so it is {}; the line for the file of keys: {}", protected_words(d),
                       without_sa(rule, d), command_for(rule, d, *lacking)));
}

}  // namespace

void find_oddities(RuleFile& file, std::span<const Rule> rules, policy::Order by, std::span<const policy::Guard> guards,
                   bool orders) {
  const auto tried = order(rules, by);
  say_shadows(file, rules, tried);
  if (orders) say_disagreements(file, rules, by);
  say_guards(file, rules, tried, guards);
}

Result<void> ask_database(RuleFile& file, std::span<const Rule> rules, backend::Spd& spd) {
  const auto remarks = spd.check(rules);
  if (!remarks) return std::unexpected(remarks.error());
  for (const backend::RuleRemark& r : *remarks)
    file.say(rules[r.rule], r.refused ? Severity::error : Severity::warning, r.message);
  return {};
}

Result<void> find_exposed(RuleFile& file, std::span<const Rule> tried, backend::Spd& spd, bool force) {
  const auto remarks = spd.exposed(tried);
  if (!remarks) return std::unexpected(remarks.error());
  for (const backend::RuleRemark& r : *remarks)
    if (tried[r.rule].line != 0)
      file.say(tried[r.rule], force ? Severity::warning : Severity::error,
               fmt::format("{}{}", r.message, force ? "" : "; or use --force"));
  return {};
}

void judge_rules(RuleFile& file, std::span<const Rule> rules, const RuleSession::Sas& sas, bool force) {
  const policy::SasByPeer by_peer(sas.held);
  Missing missing;
  for (const Rule& rule : rules)
    for (const Direction d : {Direction::out, Direction::in})
      judge_one(file, rule, d, sas, serve(rule, d, sas.held, sas.chooser, nullptr, &by_peer), force, missing);
  if (missing.count > Missing::kShown)
    file.say(Severity::warning, fmt::format("{} more times there is no SA for what a rule protects; doctor lists all",
                                            missing.count - Missing::kShown));
}

std::string name_of(const policy::HeldSa& sa, pfkey::SaType type) {
  return fmt::format("{} SA spi 0x{:x} dst {}", pfkey::name(type), sa.facts.spi, to_string(sa.facts.dst));
}

std::string command_for(const Rule& rule, Direction d, const policy::Need& need, const policy::Flow* flow) {
  const policy::Protection& p = rule.alternatives[need.alternative].protection;
  const bool out = d == Direction::out, tunnel = in_tunnel_mode(rule, p);
  const auto outer = [&](bool ours) {
    if (p.ends) return to_string(ours ? p.ends->local : p.ends->remote);
    if (tunnel) return std::string("ADDRESS");
    if (flow) return to_string(ours ? flow->local : flow->remote);
    return end_of(ours ? rule.selector.local : rule.selector.remote);
  };
  std::string text = fmt::format("add {} spi {} src {} dst {}", pfkey::name(need.type),
                                 p.spi ? fmt::format("{:#x}", *p.spi) : "SPI", outer(out), outer(!out));
  if (tunnel) {
    const auto inner = [](const std::optional<policy::Prefix>& prefix) {
      return prefix ? fmt::format("{}/{}", to_string(prefix->address), prefix->length) : std::string("NETWORK");
    };
    text += fmt::format(" isrc {} idst {}", inner(out ? rule.selector.local : rule.selector.remote),
                        inner(out ? rule.selector.remote : rule.selector.local));
  }
  if (need.type == pfkey::SaType::ah) {
    text += algorithm(AlgorithmKind::auth, *p.ah);
  } else {
    const policy::Choice null{.number = pfkey::kEalgNull, .min_bits = {}, .max_bits = {}};
    text += algorithm(AlgorithmKind::encrypt, p.cipher.value_or(null));
    if (p.integrity) text += algorithm(AlgorithmKind::auth, *p.integrity);
  }
  if (p.reqid) text += fmt::format(" reqid {}", *p.reqid);
  if (rule.mark) text += fmt::format(" mark {}", pfkey::mark_text(*rule.mark));
  if (rule.if_id) text += fmt::format(" if_id {}", *rule.if_id);
  return text;
}

}  // namespace ipseckey::cli
