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
/// The number of a keyword that is an extension of its own, at `place` in the message; the row of that extension
/// (pfkey/extensions.h) says what is a value and what one means.
template <std::optional<pfkey::Number> pfkey::Message::* place>
struct Plain {
  std::uint32_t value;
  bool operator==(const Plain&) const = default;
};
// Those that are not written as numbers only.
using Icv = Plain<&pfkey::Message::icv>;
using Df = Plain<&pfkey::Message::df>;
using Dscp = Plain<&pfkey::Message::dscp>;
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
