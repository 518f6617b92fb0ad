// Arbitrary bytes as a file of rules. Nothing may crash; each fault has its place and a printable message; what is
// read without a fault is written, and read again as the same rules; and their order, their oddities and the rule that
// a packet meets agree with one another. The same bytes as the words of one packet.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "must.h"
#include "policy/guards.h"
#include "policy/match.h"
#include "policy/order.h"
#include "policylang/file.h"
#include "policylang/packet.h"
#include "policylang/write.h"

using namespace ipseckey;

namespace {

constexpr std::size_t kMostRules = 200;  // The comparison of each with each takes their square.

table::Names names() {
  return {
      [](const std::string& name) -> Result<std::vector<Address>> {
        if (name == "two") return std::vector{*parse_address("192.0.2.8"), *parse_address("192.0.2.9")};
        if (name == "both") return std::vector{*parse_address("192.0.2.8"), *parse_address("2001:db8::6")};
        return fail(Errc::not_found, "no such host");
      },
      [](const std::string& name) -> std::optional<std::uint8_t> {
        if (name == "tcp") return 6;
        if (name == "icmp") return 1;
        if (name == "ipv6-icmp") return 58;
        return std::nullopt;
      },
      [](const std::string& name) { return name == "https" ? std::optional<std::uint16_t>(443) : std::nullopt; },
      {},
      [](const std::string& name) -> std::optional<table::NamedNetwork> {
        if (name == "campus") return table::NamedNetwork{*parse_address("10.1.0.0"), 16};
        return std::nullopt;
      },
  };
}

bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f); });
}

// A packet that the rule is about, if there is one.
policy::Flow packet_of(const policy::Rule& rule) {
  const policy::Selector& s = rule.selector;
  policy::Flow flow;
  const Family family = s.local ? s.local->address.family : s.remote ? s.remote->address.family : Family::v4;
  flow.local = s.local ? s.local->address : unspecified(family);
  flow.remote = s.remote ? s.remote->address : unspecified(family);
  flow.protocol = s.protocol.value_or(6);
  flow.local_port = s.local_port.value_or(1), flow.remote_port = s.remote_port.value_or(1);
  if (s.icmp_type) flow.icmp_type = s.icmp_type->first;
  if (s.icmp_code) flow.icmp_code = s.icmp_code->first;
  if (rule.tunnel) flow.tunnel = rule.tunnel->name;
  if (rule.mark) flow.mark = rule.mark->value;
  flow.if_id = rule.if_id.value_or(0);
  return flow;
}

void check_orders(const policy::Rules& rules) {
  using namespace policy;
  for (const auto& [first, second] : disagreements(rules)) MUST(boost(rules[first]) < boost(rules[second]));
  MUST(duplicates(rules).empty());
  for (const Order by : {Order::classes, Order::file}) {
    const auto tried = order(rules, by);
    MUST(tried.size() == rules.size());
    const std::vector<Guard> wanted = guards();
    for (const Unguarded& u : unguarded(rules, tried, wanted))
      MUST(rules[u.rule].alternatives[0].action != Action::pass &&
           overlap(rules[u.rule].selector, wanted[u.guard].rule.selector));
    const auto shadows = shadowed(rules, tried);
    for (const Direction direction : {Direction::out, Direction::in})
      for (std::size_t i = 0; i < rules.size(); ++i) {
        if (!rules[i].has(direction)) continue;
        const Flow flow = packet_of(rules[i]);
        MUST(matches(rules[i], flow, direction));
        const auto first = match(rules, tried, flow, direction);
        const Explanation why = explain(rules, by, flow, direction);
        MUST(first && !why.matching.empty() && *first == why.matching[0]);
        MUST(harmless(sentence(why, rules)));
        const bool never =
            std::ranges::any_of(shadows, [&](const Shadow& s) { return s.rule == i && s.direction == direction; });
        MUST(!never || *first != i);
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const table::Names known = names();
  const std::string text(data, data + size);
  policylang::PolicyFile file = policylang::read_policy(text, "rules", known);
  MUST(file.wrong <= file.entries + 1);  // The line with the order.
  std::uint32_t line = 1;
  for (const policylang::FileFault& fault : file.faults) {
    MUST(fault.line >= line && fault.column >= 1);
    MUST(harmless(fault.message) && harmless(fault.shown));
    line = fault.line;
  }
  const std::string written = policylang::write_rules(file.rules);
  const policylang::PolicyFile again = policylang::read_policy(written, "again", known);
  MUST(again.wrong == 0 && again.rules == file.rules);
  MUST(policylang::write_rules(again.rules) == written);
  if (file.rules.size() <= kMostRules) check_orders(file.rules);
  const auto packet = policylang::read_packet(text, known);
  MUST(packet || harmless(packet.error()));
  if (packet) MUST(policylang::flow_of(*packet, policy::Direction::in).remote == packet->from);
  return 0;
}
