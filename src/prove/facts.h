#pragma once
/// Everything that a judgement about one rule depends on: what should be, and what was seen. No packet is kept.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pfkey/message.h"
#include "policy/match.h"
#include "policy/serving.h"
#include "prove/sighting.h"
#include "prove/wire.h"

namespace ipseckey::prove {

/// An SA as the database of this host has it, without keys.
struct SaView {
  policy::HeldSa held;
  std::uint32_t window = 0;  ///< Of replay, packets.
  bool esn = false;          ///< 64-bit sequence numbers.
  bool udp = false;          ///< ESP in UDP.
  bool integrity = true;     ///< It has an ICV.
  std::uint16_t icv_bits = 0;
  std::uint16_t src_port = 0, dst_port = 0;  ///< Of ESP in UDP.
  std::uint64_t number = 0;                  ///< The last sequence number.
  pfkey::Lifetime current, hard;
  pfkey::Traffic traffic;
};
/// From a reply to GET or DUMP, which has SA and DST.
SaView view_of(const pfkey::Message& sa);

/// What happens to an address's packets before they leave.
struct Way {
  bool known = false;       ///< A route was found.
  std::string device;       ///< Harmless on a terminal.
  std::uint32_t mtu = 0;    ///< Of the device, octets.
  bool into_ipsec = false;  ///< It leads into ipsecd's device, or a tunnel of the kernel's.
  /// Of the next host; nobody: it does not answer ARP or neighbour solicitations.
  enum class Neighbour : std::uint8_t { unknown, there, nobody } neighbour = Neighbour::unknown;
  Address next;  ///< That host.
};

/// The database of this host.
enum class Database : std::uint8_t { kernel, tun, hook, other };

/// A probe's own protected packet, or an answer to it, sent once more.
struct Repeat {
  bool tried = false;
  bool accepted = false;
};

struct Facts {
  // What should be.
  Database database = Database::other;
  std::string device;  ///< Of ipsecd; empty: none.
  policy::Rule rule;
  policy::Flow flow;                  ///< The probes, outward.
  policy::Serving out, in;            ///< Which SAs serve them, and the answers.
  std::vector<SaView> sas;            ///< By the numbers in `out` and `in`.
  bool loaded = true;                 ///< The database has the rule.
  std::string ahead_out, ahead_in;    ///< Another rule that these packets meet first: its name; empty: none.
  bool ahead_clear = false;           ///< That rule lets what is sent go in clear.
  bool neighbours_protected = false;  ///< IPv6: the rules protect neighbour discovery, too.
  Way inner, outer;                   ///< Of the probes, and of the packets that carry them.
  Address outer_to;                   ///< To whom these go.
  bool spoof_check = false;           ///< rp_filter is strict on the device by which answers come.
  bool unchecked_device = false;      ///< disable_policy or disable_xfrm is set for the device.
  std::uint64_t now = 0;              ///< Seconds since 1970.

  // What was seen.
  unsigned sent = 0;
  int send_error = 0;             ///< errno of the socket; 0: none.
  bool busy = false;              ///< The rule's local port belongs to a program: no probe could be sent from it.
  std::vector<Sighting> wire;     ///< In order.
  unsigned answers = 0;           ///< Of probes, in our sockets.
  bool answered_by_host = false;  ///< By a reset, an unreachable port or an echo reply, not by `--respond`.
  bool unreachable = false;       ///< Only by an ICMP error: nobody listens on the port.
  std::optional<std::uint32_t> first_number;  ///< Of the connection, if the probe is TCP: it is found after NAT, too.
  bool crowded = false;    ///< Other packets of the same SA, time and size: which were the probes is not known.
  unsigned packets = 0;    ///< All that were sent, with questions.
  Counters before, after;  ///< Of this host's database.
  std::optional<Tell> there_before, there;
  bool heard = false;          ///< Anything came from the other end.
  Repeat replay, flip;         ///< Of what was sent.
  Repeat replay_in, clear_in;  ///< Of what came.
  std::uint32_t largest = 0;   ///< Octets of the largest IP packet that was answered; 0: not tried.
  std::uint32_t wanted = 0;    ///< Octets that the host thinks fit.
  std::optional<bool> pieces;  ///< Whether a fragmented datagram was answered.
  std::uint64_t missed = 0;    ///< Packets that the capture lost.
  bool hurried = false;        ///< The time ran out before all was tried.
};

/// The SPI that serves; nullopt: there is none. `type`: ESP or AH, whichever comes first.
std::optional<std::uint32_t> spi_of(const Facts& f, policy::Direction direction);
/// The SA that serves; nullptr: there is none. The outermost one, of AH and ESP.
const SaView* sa_of(const Facts& f, policy::Direction direction);
/// Whether it was protected by the SAs that the model says.
bool as_modelled(const Facts& f, const Sighting& s);
/// A probe or an answer of this rule, in clear; also after NAT has changed its addresses and ports.
bool in_clear(const Facts& f, const Sighting& s);

/// Counters of packets whose ICV, padding or size was wrong.
inline constexpr std::string_view kCorrupt = "in.corrupt in.truncated in.padding in.crypto XfrmInStateProtoError";
/// How much a counter of this host, or of the other end, grew. `name` may be a list, separated by blanks.
std::uint64_t grown_here(const Facts& f, std::string_view names);
std::uint64_t grown_there(const Facts& f, std::string_view names);

}  // namespace ipseckey::prove
