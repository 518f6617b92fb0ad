#pragma once
/// ICMP's type and code as selectors (RFC 4301 section 4.4.1.1). They travel in the ports of the addresses, the type in
/// that of the source and the code in that of the destination, as in Linux. A port of 0 is any, so 0 travels as 256.
#include <cstdint>
#include <optional>

namespace ipseckey::pfkey {

inline constexpr std::uint8_t kProtoIcmp = 1, kProtoIcmpV6 = 58;
inline constexpr std::uint16_t kIcmpZero = 256;

constexpr bool is_icmp(std::uint8_t protocol) { return protocol == kProtoIcmp || protocol == kProtoIcmpV6; }
constexpr std::uint16_t port_of_icmp(std::uint8_t number) { return number == 0 ? kIcmpZero : number; }
/// nullopt: any.
constexpr std::optional<std::uint16_t> icmp_of_port(std::uint16_t port) {
  if (port == 0) return std::nullopt;
  return port == kIcmpZero ? std::uint16_t{0} : port;
}

}  // namespace ipseckey::pfkey
