#include "policy/rule.h"

#include <algorithm>

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

template <class T>
bool covers(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || (b && *a == *b);
}
template <class T>
bool overlap(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || !b || *a == *b;
}

template <class T>
bool contains(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || (b && a->contains(*b));
}

bool meet(const std::optional<Prefix>& a, const std::optional<Prefix>& b) {
  return !a || !b || a->contains(*b) || b->contains(*a);
}
bool meet(const std::optional<NumberRange>& a, const std::optional<NumberRange>& b) { return !a || !b || a->meets(*b); }

// The family of a rule without addresses is open; one address decides it for both.
std::optional<Family> family(const Selector& s) {
  if (s.local) return s.local->address.family;
  if (s.remote) return s.remote->address.family;
  return std::nullopt;
}

bool with_ports(const Selector& s) { return s.local_port || s.remote_port; }
bool of_icmp(const Selector& s) { return s.icmp_type || s.icmp_code; }

}  // namespace

bool Prefix::contains(const Address& a) const { return contains(Prefix{a, static_cast<std::uint8_t>(a.bits())}); }

bool Prefix::contains(const Prefix& other) const {
  if (address.family != other.address.family || length > other.length) return false;
  std::size_t i = 0;
  for (; i < length / 8u; ++i)
    if (address.octets[i] != other.address.octets[i]) return false;
  if (length % 8u == 0) return true;
  const auto counted = static_cast<std::byte>(0xff00u >> length % 8u);
  return ((address.octets[i] ^ other.address.octets[i]) & counted) == std::byte{0};
}

bool has_ports(std::uint8_t protocol) {
  constexpr std::uint8_t kSctp = 132;
  return protocol == pfkey::kProtoTcp || protocol == pfkey::kProtoUdp || protocol == kSctp;
}

std::vector<std::uint8_t> protocols_with_ports() {
  std::vector<std::uint8_t> list;
  for (unsigned protocol = 0; protocol <= UINT8_MAX; ++protocol)
    if (has_ports(static_cast<std::uint8_t>(protocol))) list.push_back(static_cast<std::uint8_t>(protocol));
  return list;
}

bool covers(const Selector& a, const Selector& b) {
  const auto of_a = family(a);
  if (of_a && of_a != family(b)) return false;
  return contains(a.local, b.local) && contains(a.remote, b.remote) && covers(a.local_port, b.local_port) &&
         covers(a.remote_port, b.remote_port) && covers(a.protocol, b.protocol) && contains(a.icmp_type, b.icmp_type) &&
         contains(a.icmp_code, b.icmp_code);
}

bool overlap(const Selector& a, const Selector& b) {
  const auto of_a = family(a), of_b = family(b);
  if (of_a && of_b && of_a != of_b) return false;
  // A rule with ports is about the protocols that have them.
  if (with_ports(a) && ((b.protocol && !has_ports(*b.protocol)) || of_icmp(b))) return false;
  if (with_ports(b) && ((a.protocol && !has_ports(*a.protocol)) || of_icmp(a))) return false;
  return meet(a.local, b.local) && meet(a.remote, b.remote) && overlap(a.local_port, b.local_port) &&
         overlap(a.remote_port, b.remote_port) && overlap(a.protocol, b.protocol) && meet(a.icmp_type, b.icmp_type) &&
         meet(a.icmp_code, b.icmp_code);
}

bool Rule::operator==(const Rule& other) const {
  return selector == other.selector && out == other.out && in == other.in && tunnel == other.tunnel &&
         alternatives == other.alternatives && mark == other.mark && if_id == other.if_id;
}

bool in_tunnel_mode(const Rule& rule, const Protection& protection) {
  return protection.ends.has_value() || (rule.tunnel && rule.tunnel->whole_packets);
}

}  // namespace ipseckey::policy
