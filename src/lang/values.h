#pragma once
/// What the values of the command language are, once read. One type for each syntax; syntax.h reads and writes them.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "pfkey/message.h"

namespace lang {

struct Spi {
  std::uint32_t value;
};
struct Count {  ///< Bytes, or seconds.
  std::uint64_t value;
};
struct Count32 {  ///< Allocations, packets or sequence numbers.
  std::uint32_t value;
};
struct Window {  ///< Packets.
  std::uint32_t value;
};
struct Bits {
  std::uint16_t value;
};
struct Port {
  std::uint16_t value;
};
struct Protocol {
  std::uint8_t value;
};
struct AuthAlgorithm {
  std::uint8_t number;
};
struct EncryptAlgorithm {
  std::uint8_t number;
};
enum class Encapsulation : std::uint8_t { udp };

/// A keyword that stands alone.
struct Flag {};

/// A word that the language knows and never accepts.
struct Unusable {};

/// An address, or a name that is looked up when the command becomes messages.
struct Host {
  std::optional<Address> literal;
  std::string name;      ///< Empty if literal.
  bool v6_only = false;  ///< Given through a `...6` keyword.
};

/// A host with an optional prefix length: one side of a tunnel's traffic.
struct Network {
  Host host;
  std::optional<std::uint8_t> prefix;  ///< Bits; nullopt: the one address.
};

/// Most significant bit first; bits beyond `bits` in the last octet are zero.
struct KeyValue {
  Secret material;
  std::uint16_t bits = 0;
};

struct Identity {
  pfkey::IdentityType type{};
  std::string text;
};

/// A sensitivity level and its compartments.
struct Label {
  std::uint8_t level = 0;
  std::vector<std::uint64_t> compartments;
};

}  // namespace lang
