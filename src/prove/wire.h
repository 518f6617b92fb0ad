#pragma once
/// What the two ends of `ipsecconf prove` say to each other: UDP datagrams, and the contents of other probes.
/// Nothing here is secret, and nothing is believed that a capture can show: doc/reference/ipsecconf.md, "prove".
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"
#include "policy/rule.h"

namespace ipseckey::prove {

/// Where the end with `--respond` listens, UDP. Of the dynamic ports (RFC 6335 section 6).
inline constexpr std::uint16_t kPort = 50505;

/// 16 random octets that occur nowhere else: they name a run, or one probe.
using Marker = std::array<std::byte, 16>;

/// Counters of dropped packets by name, as the database calls them, with "in." or "out." before those of ipsecd.
using Counters = std::map<std::string, std::uint64_t>;

enum class Kind : std::uint8_t {
  probe = 1,  ///< Goes out as any packet does; is sent back as `echo`, with the same size.
  echo,
  ask,    ///< What has been seen there?
  tell,   ///< The answer.
  again,  ///< Send your echo of this probe once more, and a clear packet.
  clear,  ///< That clear packet: a rule refuses it.
};

/// What all of them begin with: kHead octets.
struct Head {
  Kind kind = Kind::probe;
  Marker run{};
  Marker marker{};
  bool operator==(const Head&) const = default;
};
inline constexpr std::size_t kHead = 42;
/// Octets of ask and again. All that a question is answered with, protected or not, has no more together.
inline constexpr std::size_t kTalk = 1000;
/// The most octets of tell, so that its protection fits in, too.
inline constexpr std::size_t kMostTell = 800;
/// The most octets of data of an echo that is sent again, if it fits in the question with what else goes with it.
inline constexpr std::size_t kMostRepeated = 500;

/// Of `ask` and `again`.
struct Ask {
  std::uint32_t out_spi = 0;  ///< Under which the one who asks sends; 0: it knows of none.
  std::uint32_t in_spi = 0;   ///< Under which it receives.
  policy::Prefix wanted;      ///< An address of yours in here is looked for.
  Address from, to;           ///< Of the probes.
  Address outer;              ///< Of the asker's protected packets; unspecified: not known.
  std::uint8_t protocol = 0;  ///< Of the probes.
  std::uint16_t from_port = 0, to_port = 0;
  bool operator==(const Ask&) const = default;
};

/// What an end knows of an SA with an SPI that it was asked about.
struct SaThere {
  bool held = false;
  bool was_held = false;  ///< Not any more.
  bool outbound = false;  ///< Its packets leave there.
  std::uint8_t type = 0;  ///< Of pfkey::SaType.
  std::uint8_t auth = 0, encrypt = 0;
  std::uint16_t icv_bits = 0;
  bool tunnel = false, udp = false;
  std::uint32_t window = 0;      ///< Of replay, packets.
  std::uint8_t fate = 0;         ///< Of policy::Fate, by the rule there that these probes meet.
  std::uint32_t objections = 0;  ///< Bits of policy::Objection.
  bool operator==(const SaThere&) const = default;
};

/// How the rules there treat the probes, or the answers to them.
enum class RuleThere : std::uint8_t { none, pass, drop, served, broken, missing };

struct Tell {
  Address seen_from;            ///< The source of the question, as it arrived.
  std::optional<Address> mine;  ///< An address of this end among those wanted.
  std::uint64_t time = 0;       ///< Seconds since 1970, by the clock there; 0: it is not told.
  SaThere to_you, to_me;        ///< By the asker's in_spi and out_spi.
  RuleThere in_rule = RuleThere::none, out_rule = RuleThere::none;
  std::uint32_t out_spi = 0;  ///< Under which the answers leave.
  // Of this run, on the wire:
  std::uint32_t protected_seen = 0;       ///< Packets with the SPI asked about.
  std::uint32_t other_spi = 0;            ///< The last other SPI from there; 0: none.
  std::uint32_t last_number = 0;          ///< Their last sequence number.
  std::uint32_t clear_seen = 0;           ///< Probes in clear.
  std::uint32_t answers_clear = 0;        ///< Echoes that left in clear.
  std::optional<Address> protected_from;  ///< Their source, where it was not the asker's.
  // In sockets:
  std::uint32_t received = 0;   ///< Probes.
  std::uint32_t of_marker = 0;  ///< Of those, with the question's marker.
  Counters counters;            ///< Those of dropped packets that are not 0, as far as there is room.
  bool operator==(const Tell&) const = default;
};

/// Writes the first kHead octets.
void write_head(MutableBytes out, const Head& head);
/// nullopt: it is not one of ours.
std::optional<Head> read_head(Bytes in);

std::vector<std::byte> write_ask(const Head& head, const Ask& ask);
std::vector<std::byte> write_tell(const Head& head, const Tell& tell);
/// nullopt: malformed.
std::optional<Ask> read_ask(Bytes datagram);
std::optional<Tell> read_tell(Bytes datagram);

}  // namespace ipseckey::prove
