#pragma once
/// AH and ESP for one packet, apart from the ciphers, which work on whole batches: the steps before and after them.
#include <array>
#include <cstdint>

#include "crypto/crypto.h"
#include "traffic/detail/flow.h"
#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// AH of one packet: its SA, its number, and where it starts. Without a Flow the other members are meaningless and not
/// set: clearing them octet by octet for a whole batch is too slow.
struct AhPart {
  Flow* flow = nullptr;
  crypto::Keyed* keyed;
  std::uint64_t number;
  std::size_t at;
};

/// One packet of a batch on its way.
struct Work {
  Item* item = nullptr;
  const Work* before = nullptr;  ///< The previous one, if it has the same headers but for lengths, counters and sums.
  Flow* flow = nullptr;          ///< Null: the packet is finished.
  Headers h;                     ///< Of the packet as it arrived.
  bool may_be_cut = false;       ///< On the way, under IPv4, although the packet has DF.
  std::uint64_t number = 0;
  std::size_t at = 0;   ///< Where ESP or AH starts in the packet.
  bool nested = false;  ///< Outbound: already protected, for another peer.
  crypto::Job job;
  AhPart around;  ///< AH around ESP, for a bundle; without a Flow: none.
};

/// The sizes of a protected packet, in bytes: IP headers
/// UDP, ESP or AH with its fields, or both
/// text
/// ESP trailer.
struct Layout {
  std::size_t ah = 0;  ///< The part of `wrap` that is AH around ESP.
  std::size_t outer = 0, wrap = 0, text = 0, padding = 0, icv = 0;
  std::size_t trail = 0;   ///< Padding that hides the length, ESP's padding, its length, the next header, the ICV.
  std::size_t hiding = 0;  ///< Octets after the inner packet, against traffic analysis (RFC 4303 section 2.7).
  std::size_t total() const { return outer + wrap + text + trail; }
};
/// The protocol on the wire: ESP, AH or UDP.
std::uint8_t protocol_of(const Flow& flow);
/// The SA whose packets the network sees: AH, if there is one around ESP.
inline Flow& outermost(const Work& w) { return w.around.flow ? *w.around.flow : *w.flow; }

/// `around`: the AH SA around it; nullptr: none.
Layout layout_of(const Flow& flow, const Headers& h, const Flow* around);
/// Extends the text to at most `size` bytes, with octets that hide its length.
void hide_length(Layout& layout, const Flow& flow, std::size_t size);
/// The longest packet of the same kind that does not exceed `mtu` with the SA.
std::uint32_t inner_mtu(const Flow& flow, const Headers& h, std::uint32_t mtu, const Flow* around);

/// Whether the buffer has room for it.
bool has_room(const Packet& packet, const Headers& h, const Layout& layout);

/// Brings the packet into its form on the wire, except for encryption and ICV, and returns how it leaves. Under IPv4 it
/// then has an ID other than 0: the kernel would replace 0 by another number, which would break AH and mismatch
/// fragments.
void wrap(Work& w, const Layout& layout);
/// The UDP checksum of a sealed packet over IPv6, where it is mandatory (RFC 8200 section 8.1).
void finish_udp(const Work& w);
/// AH of a packet that has only AH.
inline AhPart ah_of(const Work& w) { return {w.flow, w.job.keyed, w.number, w.at}; }
/// The ICV of a packet whose AH has `length` bytes. False: its headers are malformed.
bool compute_ah(const AhPart& ah, Bytes packet, std::size_t length, MutableBytes icv);

/// A NAT keepalive to the SA's destination, written behind the headroom of the item's buffer, and how it leaves.
void write_keep_alive(Item& item, Flow& flow, std::uint32_t mtu);

/// The window's verdict on a number as a cause of dropping.
inline Cause dropped_by(ReplayWindow::Verdict verdict) {
  static constexpr std::array kOfVerdict = {Cause::none, Cause::replayed, Cause::late};
  return kOfVerdict[static_cast<std::size_t>(verdict)];
}
/// For inbound ESP at w.at: whether its sizes are valid, and then the cipher's job.
bool begin_esp(Work& w);
/// For inbound AH: its length in bytes; nullopt: its sizes are wrong.
std::optional<std::size_t> ah_length(Bytes packet, const AhPart& ah);
/// For inbound AH: whether its ICV is right; truncated if its sizes are wrong.
Cause check_ah(Bytes packet, const AhPart& ah);
/// For an inbound packet whose ICV was right, before unwrap(): its source's home address, if AH authenticates it.
std::optional<Address> vouched_home(const Work& w);
/// Call after the ICV was right: removes the encapsulation and checks the inner packet; its headers become w.h.
Cause unwrap(Work& w, IcmpErrors errors);

/// Bytes of ESP before the IV.
inline constexpr std::size_t kEspHeader = 8;
/// Bytes of AH before the ICV, and with it: a multiple of `unit` (Flow::ah_unit).
inline constexpr std::size_t kAhFixed = 12;
std::size_t ah_size(std::size_t unit, std::size_t icv);

/// The packet's headers up to AH as its ICV covers them (RFC 4302 section 3.3.3.1 and appendix A), written to `out`:
/// mutable fields zero, predictable ones as at the destination. False: an option or a routing header is malformed or of
/// a kind for which this is undefined, or `out` is too small.
bool immutable_headers(Bytes headers, MutableBytes out);
/// The two ends as AH sees them: the home address of a source away from home, and the last address of an unfinished
/// source route or routing header. nullopt: those in the header are the ends, or AH does not know these headers.
struct Ends {
  Address src, dst;
};
std::optional<Ends> true_ends(Bytes headers);
inline constexpr std::size_t kMostHeaders = 40 + 2048;  ///< IPv6, and the most extension headers that ipsecd keeps.

}  // namespace ipseckey::traffic
