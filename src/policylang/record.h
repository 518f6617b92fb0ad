#pragma once
/// What the braces of an entry say, before it becomes rules: a record for patterns and one for properties, and the
/// values that only this language has.
#include <cstdint>
#include <optional>
#include <string>

#include "pfkey/algorithms.h"
#include "policy/rule.h"
#include "table/values.h"

namespace ipseckey::policylang {

enum class Way : std::uint8_t { in, out, both };
enum class OneWay : std::uint8_t { in, out };
enum class Negotiate : std::uint8_t { tunnel, transport };
enum class Sharing : std::uint8_t { shared, unique };
enum class Level : std::uint8_t { require, use };

/// An IPv4 mask, as its number of leading ones.
struct Mask {
  std::uint8_t length;
  bool operator==(const Mask&) const = default;
};

/// Types or codes of ICMP. A name is of one of the two protocols.
struct IcmpNumbers {
  policy::NumberRange range;
  std::optional<bool> v6 = {};  ///< Absent: it was a number.
  bool operator==(const IcmpNumbers&) const = default;
};
struct IcmpTypes : IcmpNumbers {
  bool operator==(const IcmpTypes&) const = default;
};
/// From 0 to 255: any.
struct IcmpCodes : IcmpNumbers {
  bool operator==(const IcmpCodes&) const = default;
};

/// A tunnel's interface; less than 32 octets, as on Solaris.
struct InterfaceName {
  static constexpr std::size_t kLongest = 31;
  std::string text;
  bool operator==(const InterfaceName&) const = default;
};

/// An algorithm with the lengths of its keys; `none` is as if it was not given.
template <pfkey::AlgorithmKind kind>
struct Algorithm {
  policy::Choice choice;
  bool none = false;
  bool operator==(const Algorithm&) const = default;
};
using Authentication = Algorithm<pfkey::AlgorithmKind::auth>;
using Cipher = Algorithm<pfkey::AlgorithmKind::encrypt>;

/// A number other than 0, which would mean none.
struct Id {
  std::uint32_t value;
  bool operator==(const Id&) const = default;
};

/// Of an SA; not 0.
struct SpiNumber {
  std::uint32_t value;
  bool operator==(const SpiNumber&) const = default;
};

struct Pattern {
  std::optional<table::Network> local, remote;  // New style.
  std::optional<table::Port> local_port, remote_port;
  std::optional<Way> way;
  std::optional<table::Network> source, destination;  // Old style.
  std::optional<table::Port> source_port, destination_port;
  std::optional<Mask> source_mask, destination_mask;
  std::optional<table::Protocol> protocol;  // Both.
  std::optional<IcmpTypes> types;
  std::optional<IcmpCodes> codes;
  std::optional<InterfaceName> tunnel;
  std::optional<Negotiate> negotiate;
};

struct Properties {
  std::optional<Authentication> ah;
  std::optional<Cipher> cipher;
  std::optional<Authentication> integrity;
  std::optional<Sharing> sharing;
  std::optional<OneWay> way;   // Old style.
  std::optional<Level> level;  // Ours, from here on.
  std::optional<Id> reqid;
  std::optional<SpiNumber> spi;
  std::optional<table::Host> tunnel_source, tunnel_destination;
  std::optional<pfkey::Mark> mark;
  std::optional<Id> if_id;
};

}  // namespace ipseckey::policylang
