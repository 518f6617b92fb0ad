// 1. rules_text() writes a file of rules. Its comments have all that the language cannot say: the index of a rule,
// whose
//    it is, remarks.
// 2. order_of() finds out whether the list needs the line `order file` to be read back as it is.
// 3. policy_text() shows one of the kernel's policies.
// 4. rule_json() writes one rule as an object: the entry as a text, and the same in members.
// 5. Each part of a rule has a function that writes its object: pattern, alternative, algorithm, policy.
#include "cli/rules/show.h"

#include <fmt/format.h>

#include "base/harmless.h"
#include "pfkey/algorithms.h"
#include "pfkey/units.h"
#include "policy/order.h"
#include "policylang/file.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using pfkey::AlgorithmKind;

// "index 8, priority 3: out ..., last used 5 seconds ago".
std::string policy_text(const backend::KernelPolicy& p, std::uint64_t now) {
  const std::string used = p.last_used == 0     ? "not used yet"
                           : now >= p.last_used ? fmt::format("last used {} seconds ago", now - p.last_used)
                                                : "used in the future, by this clock";
  return fmt::format("{} policy, index {}, priority {}, {}: {}", p.direction, p.index, p.priority, used, p.text);
}

// Solaris' order needs no line in a file.
policy::Order order_of(std::span<const HeldRule> rules) {
  std::uint32_t last = UINT32_MAX;
  for (const HeldRule& h : rules) {
    if (h.foreign || h.derived) continue;
    const std::uint32_t own = policy::boost(h.rule);
    if (own > last) return policy::Order::file;
    last = own;
  }
  return policy::Order::classes;
}

JsonObject range_json(const policy::NumberRange& range) {
  JsonObject object;
  object.put("first", range.first);
  object.put("last", range.last);
  return object;
}

JsonObject prefix_json(const policy::Prefix& prefix) {
  JsonObject object;
  object.put("address", to_string(prefix.address));
  object.put("prefix", prefix.length);
  return object;
}

JsonObject pattern_json(const policy::Rule& rule) {
  const policy::Selector& s = rule.selector;
  JsonObject object;
  if (rule.tunnel) {
    object.put("tunnel", rule.tunnel->name);
    object.put("negotiate", rule.tunnel->whole_packets ? "tunnel" : "transport");
  }
  if (s.local) object.put("local", prefix_json(*s.local));
  if (s.remote) object.put("remote", prefix_json(*s.remote));
  if (s.protocol) object.put("protocol", *s.protocol);
  if (s.local_port) object.put("local_port", *s.local_port);
  if (s.remote_port) object.put("remote_port", *s.remote_port);
  if (s.icmp_type) object.put("icmp_type", range_json(*s.icmp_type));
  if (s.icmp_code) object.put("icmp_code", range_json(*s.icmp_code));
  if (rule.mark) {
    JsonObject mark;
    mark.put("value", rule.mark->value);
    mark.put("mask", rule.mark->mask);
    object.put("mark", std::move(mark));
  }
  if (rule.if_id) object.put("if_id", *rule.if_id);
  return object;
}

JsonObject choice_json(AlgorithmKind kind, const policy::Choice& choice) {
  JsonObject object;
  object.put("name", choice.number ? pfkey::algorithm_name(kind, *choice.number) : "any");
  if (choice.number) object.put("number", *choice.number);
  if (choice.min_bits) object.put("min_bits", *choice.min_bits);
  if (choice.max_bits) object.put("max_bits", *choice.max_bits);
  return object;
}

JsonObject alternative_json(const policy::Alternative& a) {
  JsonObject object;
  const policy::Protection& p = a.protection;
  object.put("action", a.action == policy::Action::ipsec  ? "ipsec"
                       : a.action == policy::Action::pass ? "bypass"
                                                          : "drop");
  if (a.action != policy::Action::ipsec) return object;
  if (p.ah) object.put("auth_algs", choice_json(AlgorithmKind::auth, *p.ah));
  if (p.cipher) object.put("encr_algs", choice_json(AlgorithmKind::encrypt, *p.cipher));
  if (p.integrity) object.put("encr_auth_algs", choice_json(AlgorithmKind::auth, *p.integrity));
  object.put("unique", p.unique);
  if (p.may_be_clear) object.put("level", "use");
  if (p.reqid) object.put("reqid", *p.reqid);
  if (p.spi) object.put("spi", *p.spi);
  if (p.ends) {
    object.put("tsrc", to_string(p.ends->local));
    object.put("tdst", to_string(p.ends->remote));
  }
  return object;
}

JsonObject policy_json(const backend::KernelPolicy& p) {
  JsonObject object;
  object.put("direction", p.direction);
  object.put("index", p.index);
  object.put("priority", p.priority);
  object.put("text", p.text);
  object.put("last_used", p.last_used);
  return object;
}

template <class From, class Make>
std::vector<JsonObject> objects(const From& from, Make make) {
  std::vector<JsonObject> all;
  all.reserve(std::size(from));
  for (const auto& one : from) all.push_back(make(one));
  return all;
}

}  // namespace

std::string rules_text(std::span<const HeldRule> rules, bool verbose, std::uint64_t now) {
  std::string text;
  if (const auto line = policylang::order_line(order_of(rules)); !line.empty()) text += fmt::format("{}\n", line);
  for (const HeldRule& h : rules) {
    const policy::Tunnel* const tunnel = h.rule.tunnel ? &*h.rule.tunnel : nullptr;
    text += fmt::format("#INDEX {}{}{}\n", tunnel ? text::harmless(tunnel->name) + "," : "", h.index,
                        h.foreign   ? " (another program's)"
                        : h.derived ? " (made for other rules)"
                                    : "");
    for (const std::string& remark : h.remarks) text += fmt::format("# remark: {}\n", text::harmless(remark));
    if (verbose)
      for (const backend::KernelPolicy& p : h.policies) text += fmt::format("# {}\n", policy_text(p, now));
    text += fmt::format("{}{}\n", h.foreign || h.derived ? "# " : "", policylang::write_rule(h.rule));
  }
  return text;
}

std::string change_line(std::string_view action, const HeldRule& h) {
  return fmt::format("{:<7}{}{}{}\n", action, h.index == 0 ? "" : fmt::format("#{} ", h.index),
                     policylang::write_rule(h.rule), h.foreign ? " (another program's)" : "");
}

std::string drop_line(const HeldRule& h, std::string_view direction, std::uint64_t packets, std::string_view why) {
  return fmt::format("{:<7}#{} {} {}: {}\n", "drop", h.index, packets, direction, why);
}

JsonObject rule_json(const HeldRule& h, std::string_view sadb, std::string_view kind) {
  JsonObject object;
  object.put("kind", kind);
  object.put("sadb", sadb);
  object.put("index", h.index);
  object.put("foreign", h.foreign);
  if (h.derived) object.put("derived", true);
  object.put("entry", policylang::write_rule(h.rule));
  std::vector<std::string> directions;
  if (h.rule.out) directions.emplace_back("out");
  if (h.rule.in) directions.emplace_back("in");
  object.put("directions", directions);
  object.put("pattern", pattern_json(h.rule));
  object.put("actions", objects(h.rule.alternatives, alternative_json));
  object.put("policies", objects(h.policies, policy_json));
  object.put("remarks", h.remarks);
  return object;
}

}  // namespace ipseckey::cli
