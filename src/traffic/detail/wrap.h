#pragma once
/// AH and ESP on one packet, but for the ciphers, which work on whole batches: what goes before, and what comes after.
#include <cstdint>

#include "crypto/crypto.h"
#include "traffic/detail/flow.h"
#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// AH of one packet: whose it is, its number, and where it starts. Without a Flow the others mean nothing, and are not
/// set: a batch would be cleared octet by octet for them.
struct AhPart {
  Flow* flow = nullptr;
  crypto::Keyed* keyed;
  std::uint64_t number;
  std::size_t at;
};

/// One packet of a batch on its way.
struct Work {
  Item* item = nullptr;
  Flow* flow = nullptr;     ///< Null: the packet is done with.
  Headers h;                ///< Of the packet as it came.
  bool may_be_cut = false;  ///< On the way, under IPv4, although it has DF.
  std::uint64_t number = 0;
  std::size_t at = 0;   ///< Where ESP or AH starts in the packet.
  AhPart around;        ///< AH around ESP, of a bundle; without a Flow: there is none.
  bool nested = false;  ///< Outbound: protected already, for another peer.
  crypto::Job job;
};

/// The sizes of a protected packet, in bytes: IP headers | UDP, ESP or AH with what belongs to it, or both | text |
/// what ends ESP.
struct Layout {
  std::size_t ah = 0;  ///< Of `wrap`, AH around ESP.
  std::size_t outer = 0, wrap = 0, text = 0, padding = 0, icv = 0;
  std::size_t trail = 0;   ///< What hides the length, padding, its length, the next header, the ICV.
  std::size_t hiding = 0;  ///< Octets behind what a tunnel carries, against analysis of traffic (RFC 4303 section 2.7).
  std::size_t total() const { return outer + wrap + text + trail; }
};
/// What it leaves under: ESP, AH or UDP.
std::uint8_t protocol_of(const Flow& flow);
/// The SA whose packets the network sees: AH, where there is one around.
inline Flow& outermost(const Work& w) { return w.around.flow ? *w.around.flow : *w.flow; }

/// `around`: the AH SA around it; nullptr: none.
Layout layout_of(const Flow& flow, const Headers& h, const Flow* around);
/// Makes the text up to `size` bytes long, by octets that hide its length.
void hide_length(Layout& layout, const Flow& flow, std::size_t size);
/// The longest packet of the same kind that the SA makes no longer than `mtu`.
std::uint32_t inner_mtu(const Flow& flow, const Headers& h, std::uint32_t mtu, const Flow* around);

/// Whether the buffer has room for it.
bool has_room(const Packet& packet, const Headers& h, const Layout& layout);

/// Makes the packet what it is on the wire but for encryption and ICV, and says how it leaves. Under IPv4 it has an ID
/// afterwards that is not 0, in whose place the kernel would write another, which AH covers and fragments do not share.
void wrap(Work& w, const Layout& layout);
/// The UDP checksum of a sealed packet over IPv6, which needs one (RFC 8200 section 8.1).
void finish_udp(const Work& w);
/// AH of a packet that is AH alone.
inline AhPart ah_of(const Work& w) { return {w.flow, w.job.keyed, w.number, w.at}; }
/// The ICV of a wrapped AH packet, whose ESP is sealed, if there is some. False: it cannot be computed.
bool seal_ah(MutableBytes packet, const AhPart& ah);

/// A NAT's keepalive to where the SA sends, written behind the headroom of the item's buffer, and how it leaves.
void write_keep_alive(Item& item, Flow& flow, std::uint32_t mtu);

/// The traffic class of an outer header, and what becomes of the inner one when both are taken apart: ECN by RFC 6040
/// sections 4.1 and 4.2, the rest as the SA asks (`dscp`: pfkey::Dscp; RFC 4301 section 5.1.2). nullopt: the packet is
/// dropped.
std::uint8_t outer_traffic_class(std::uint8_t inner, std::uint32_t dscp);
std::optional<std::uint8_t> inner_traffic_class(std::uint8_t inner, std::uint8_t outer, std::uint32_t dscp);

/// What the window says of a number, as why its packet is dropped.
Cause dropped_by(ReplayWindow::Verdict verdict);
/// ESP that arrived, at w.at: whether its sizes suit, and then its job.
bool begin_esp(Work& w);
/// AH that arrived: whether its ICV is right; truncated if its sizes are wrong.
Cause check_ah(Bytes packet, const AhPart& ah);
/// Of a packet that arrived and whose ICV was right, before unwrap(): who its source is at home, if AH vouches for
/// that.
std::optional<Address> vouched_home(const Work& w);
/// After the ICV was right: takes the wrapping off, and looks at what is inside, whose headers become w.h.
Cause unwrap(Work& w, IcmpErrors errors);

/// Bytes of ESP before the IV.
inline constexpr std::size_t kEspHeader = 8;
/// Bytes of AH before the ICV, and with it: a multiple of `unit` (Flow::ah_unit).
inline constexpr std::size_t kAhFixed = 12;
std::size_t ah_size(std::size_t unit, std::size_t icv);

/// The packet's headers up to AH as its ICV sees them (RFC 4302 section 3.3.3.1 and appendix A), written to `out`:
/// mutable fields zero, predictable ones as they are at the destination. False: an option or a routing header is
/// malformed or of a kind for which that is not defined, or `out` is too small.
bool immutable_headers(Bytes headers, MutableBytes out);
/// Who talks to whom, as AH sees it: the home address of a source that is away, and the last address of a source route
/// or routing header that has hops left. nullopt: those of the header, or the headers are none that AH knows.
struct Ends {
  Address src, dst;
};
std::optional<Ends> true_ends(Bytes headers);
inline constexpr std::size_t kMostHeaders = 40 + 2048;  ///< IPv6 with as much as ipsecd keeps of what arrives.

}  // namespace ipseckey::traffic
