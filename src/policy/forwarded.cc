#include "policy/forwarded.h"

#include <algorithm>

namespace ipseckey::policy {
namespace {

bool is_exception(const Rule& rule) {
  return !rule.tunnel &&
         std::ranges::none_of(rule.alternatives, [](const Alternative& a) { return a.action == Action::ipsec; });
}

// Rules for different XFRM interfaces meet no packet in common.
bool meet(const Rule& a, const Rule& b) {
  return a.if_id.value_or(0) == b.if_id.value_or(0) && overlap(a.selector, b.selector);
}

}  // namespace

bool wholly_in_tunnel_mode(const Rule& rule) {
  return !rule.tunnel && std::ranges::all_of(rule.alternatives, [&](const Alternative& a) {
    return a.action == Action::ipsec && in_tunnel_mode(rule, a.protection);
  });
}

Forwarded met_on_kernel(const Rule& rule, Forwarded about) {
  if (rule.tunnel) return rule.tunnel->whole_packets ? Forwarded{rule.out, rule.in} : Forwarded{};
  return {about.out || (rule.out && !rule.selector.local), about.in};
}

std::vector<Forwarded> about_forwarded(std::span<const Rule> tried) {
  std::vector<Forwarded> about(tried.size());
  std::vector<const Rule*> later;  // Those in tunnel mode.
  for (std::size_t i = tried.size(); i-- > 0;) {
    const Rule& rule = tried[i];
    Forwarded& of = about[i];
    if (wholly_in_tunnel_mode(rule)) {
      of = {rule.out, rule.in};
      later.push_back(&rule);
      continue;
    }
    if (!is_exception(rule)) continue;
    for (const Rule* const tunnel : later) {
      if ((of.out || !rule.out) && (of.in || !rule.in)) break;
      if (!meet(rule, *tunnel)) continue;
      of.out = of.out || (rule.out && tunnel->out), of.in = of.in || (rule.in && tunnel->in);
    }
  }
  return about;
}

}  // namespace ipseckey::policy
