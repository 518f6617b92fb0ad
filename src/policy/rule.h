#pragma once
/// Policies as values: what the rules of a host say about its packets. Nothing here reads a file or asks a kernel.
/// "Local" is this host's side and "remote" the peer's, whichever way a packet goes.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "pfkey/message.h"

namespace ipseckey::policy {

enum class Direction : std::uint8_t { out, in };

/// An address with the number of its leading bits that count; the others are zero.
struct Prefix {
  Address address;
  std::uint8_t length = 0;

  auto operator<=>(const Prefix&) const = default;
  bool contains(const Address& a) const;
  bool contains(const Prefix& other) const;
};

/// From the first number to the last, both included.
struct NumberRange {
  std::uint8_t first = 0, last = 255;

  auto operator<=>(const NumberRange&) const = default;
  bool contains(const NumberRange& other) const { return first <= other.first && other.last <= last; }
  bool meets(const NumberRange& other) const { return first <= other.last && other.first <= last; }
};

/// The packets of a rule. A member that is absent fits every packet; two addresses have one family.
struct Selector {
  std::optional<Prefix> local, remote;
  std::optional<std::uint16_t> local_port, remote_port;
  std::optional<std::uint8_t> protocol;
  std::optional<NumberRange> icmp_type, icmp_code;

  auto operator<=>(const Selector&) const = default;
};

/// Whether packets have ports that rules compare: those of TCP, UDP and SCTP.
bool has_ports(std::uint8_t protocol);
/// All of these, in ascending order.
std::vector<std::uint8_t> protocols_with_ports();

/// Whether every packet of the second is one of the first.
bool covers(const Selector& a, const Selector& b);
/// Whether a packet can be one of both.
bool overlap(const Selector& a, const Selector& b);

/// What is required of an algorithm. Lengths are those of keys without salt, bits.
struct Choice {
  std::optional<std::uint8_t> number;               ///< Of the table of algorithms; absent: any.
  std::optional<std::uint16_t> min_bits, max_bits;  ///< Absent: no limit.

  bool operator==(const Choice&) const = default;
};

/// The two outer addresses of a tunnel.
struct TunnelEnds {
  Address local, remote;
  bool operator==(const TunnelEnds&) const = default;
};

/// What protects packets: AH, ESP, or ESP with AH around it.
struct Protection {
  std::optional<Choice> ah;
  std::optional<Choice> cipher;     ///< ESP; with `integrity` only, the null cipher.
  std::optional<Choice> integrity;  ///< ESP; absent: any, or none.
  bool unique = false;              ///< An SA of its own for each connection.
  bool may_be_clear = false;        ///< `level use`: clear if there is no SA, and clear packets are accepted.
  std::optional<std::uint32_t> reqid;
  std::optional<std::uint32_t> spi;  ///< Of the only SA that will do, host order; of a rule with AH or ESP, one way.
  std::optional<TunnelEnds> ends;

  bool esp() const { return cipher || integrity; }
  bool operator==(const Protection&) const = default;
};

enum class Action : std::uint8_t { pass, drop, ipsec };

/// One of the things that a rule accepts.
struct Alternative {
  Action action = Action::drop;
  Protection protection;  ///< Of Action::ipsec only.
  bool operator==(const Alternative&) const = default;
};

/// Rules of a tunnel are apart from those of the host and of other tunnels.
struct Tunnel {
  std::string name;
  bool whole_packets = true;  ///< Tunnel mode: the rule is about what is inside. Else about the tunnel's own packets.
  auto operator<=>(const Tunnel&) const = default;
};

struct Rule {
  Selector selector;
  bool out = false, in = false;  ///< Its directions; one at least.
  std::optional<Tunnel> tunnel;
  std::vector<Alternative> alternatives;  ///< One at least; the first that works is used.
  std::optional<pfkey::Mark> mark;        ///< Of the packets.
  std::optional<std::uint32_t> if_id;     ///< Of the packets' XFRM interface; absent: 0.
  std::uint32_t line = 0;                 ///< Where it is in its file; not part of what it says.

  bool has(Direction d) const { return d == Direction::out ? out : in; }
  /// Whether they say the same, wherever they are.
  bool operator==(const Rule& other) const;
};

/// In the order of the file.
using Rules = std::vector<Rule>;

/// Whether an SA of this protection works in tunnel mode.
bool in_tunnel_mode(const Rule& rule, const Protection& protection);

}  // namespace ipseckey::policy
