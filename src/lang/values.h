#pragma once
/// What the values of the command language are, once read. One type for each syntax; syntax.h reads and writes them.
/// Those that more than one language has are in table/values.h.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pfkey/message.h"
#include "table/values.h"

namespace ipseckey::lang {

using table::Flag;
using table::Host;
using table::kAny;
using table::Network;
using table::Port;
using table::Protocol;
using table::Unusable;

struct Spi {
  std::uint32_t value;
  bool operator==(const Spi&) const = default;
};
struct Count {  ///< Bytes, or seconds.
  std::uint64_t value;
  bool operator==(const Count&) const = default;
};
struct Count32 {  ///< Allocations, packets or sequence numbers.
  std::uint32_t value;
  bool operator==(const Count32&) const = default;
};
struct Window {  ///< Packets.
  std::uint32_t value;
  bool operator==(const Window&) const = default;
};
struct Bits {
  std::uint16_t value;
  bool operator==(const Bits&) const = default;
};
struct Positive16 {  ///< From 1: octets, seconds.
  std::uint16_t value;
  bool operator==(const Positive16&) const = default;
};
struct Positive32 {  ///< From 1.
  std::uint32_t value;
  bool operator==(const Positive32&) const = default;
};
struct Df {
  std::uint8_t value;  ///< pfkey::Df.
  bool operator==(const Df&) const = default;
};
struct Dscp {
  std::uint8_t value;  ///< pfkey::Dscp.
  bool operator==(const Dscp&) const = default;
};
struct IcmpNumber {  ///< A type or a code.
  std::uint8_t value;
  bool operator==(const IcmpNumber&) const = default;
};
struct AuthAlgorithm {
  std::uint8_t number;
  bool operator==(const AuthAlgorithm&) const = default;
};
struct EncryptAlgorithm {
  std::uint8_t number;
  bool operator==(const EncryptAlgorithm&) const = default;
};
/// What ESP is carried in, by its IP protocol.
enum class Encapsulation : std::uint8_t { udp = pfkey::kProtoUdp };

/// Most significant bit first; bits beyond `bits` in the last octet are zero.
struct KeyValue {
  Secret material;
  std::uint16_t bits = 0;
  bool operator==(const KeyValue&) const = default;
};

struct Identity {
  pfkey::IdentityType type{};
  std::string text;
  bool operator==(const Identity&) const = default;
};

/// A sensitivity level and its compartments.
struct Label {
  std::uint8_t level = 0;
  std::vector<std::uint64_t> compartments;
  bool operator==(const Label&) const = default;
};

}  // namespace ipseckey::lang
