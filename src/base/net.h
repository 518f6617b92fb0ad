#pragma once
/// IPv4 and IPv6 addresses, prefixes and related numbers.
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/export.h"

namespace ipseckey {

enum class Family : std::uint8_t { v4, v6 };

/// An IPv4 or IPv6 address, octets in network order. Default: 0.0.0.0.
struct Address {
  Family family = Family::v4;
  std::array<std::byte, 16> octets{};  ///< v4: the first four, the rest zero.

  std::size_t size() const { return family == Family::v4 ? 4 : 16; }  ///< Octets.
  unsigned bits() const { return family == Family::v4 ? 32 : 128; }
  Bytes bytes() const { return Bytes(octets).first(size()); }
  bool operator==(const Address&) const = default;
  auto operator<=>(const Address&) const = default;
};

/// The unspecified address of a family: 0.0.0.0 or ::.
constexpr Address unspecified(Family family) { return {family, {}}; }

IPSECKEY_API bool is_unspecified(const Address& a);
IPSECKEY_API bool is_loopback(const Address& a);    ///< 127/8 or ::1.
IPSECKEY_API bool is_multicast(const Address& a);   ///< 224/4, 255.255.255.255 or ff00::/8.
IPSECKEY_API bool is_link_local(const Address& a);  ///< 169.254/16 or fe80::/10.

/// ::ffff:a.b.c.d as the IPv4 address a.b.c.d; anything else unchanged (RFC 4291 section 2.5.5.2).
IPSECKEY_API Address unmapped(const Address& a);

/// The address with every bit after the first `length` cleared.
IPSECKEY_API Address masked(const Address& a, unsigned length);

/// Dotted quad or RFC 4291 text, nothing else: no names, ports or scopes.
IPSECKEY_API std::optional<Address> parse_address(std::string_view text);
/// RFC 5952 text.
IPSECKEY_API std::string to_string(const Address& a);

}  // namespace ipseckey
