#pragma once
/// Values that more than one language has.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/net.h"

namespace ipseckey::table {

struct Port {
  std::uint16_t value;
  bool operator==(const Port&) const = default;
};
struct Protocol {
  std::uint8_t value;
  bool operator==(const Protocol&) const = default;
};

/// Shown for an address, a port or a protocol that is not restricted; the language accepts it, too.
inline constexpr std::string_view kAny = "any";

/// A name without a value.
struct Flag {
  bool operator==(const Flag&) const = default;
};

/// A word that the language knows and never accepts.
struct Unusable {
  bool operator==(const Unusable&) const = default;
};

/// An address, or a name that is looked up when the command becomes messages.
struct Host {
  std::optional<Address> literal;
  std::string name;      ///< Empty if literal.
  bool v6_only = false;  ///< Given through a `...6` keyword.
  bool any = false;      ///< Every address, of a family that other words determine; no literal and no name then.
  bool operator==(const Host&) const = default;
};

/// A host with an optional prefix length: one side of a tunnel's traffic.
struct Network {
  Host host;
  std::optional<std::uint8_t> prefix;  ///< Bits; nullopt: the one address.
  bool operator==(const Network&) const = default;
};

}  // namespace ipseckey::table
