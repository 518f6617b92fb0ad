#pragma once
/// THE names of ICMP types and codes, as ipsecconf has them.
#include <cstdint>
#include <span>
#include <string_view>

namespace ipseckey::policylang {

struct IcmpName {
  std::string_view name;
  std::uint8_t number;
  bool v6;
};

std::span<const IcmpName> icmp_types();
std::span<const IcmpName> icmp_codes();

/// nullptr: there is no such name; case-sensitive.
const IcmpName* find_icmp(std::span<const IcmpName> names, std::string_view name);

}  // namespace ipseckey::policylang
