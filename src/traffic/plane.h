#pragma once
/// The packet path (doc/explanation/design.md, "Life of a packet"): AH and ESP as functions of a packet, the SAs and
/// the time.
///
/// One Plane for each Engine, shared by all threads: the engine's thread puts SAs into it through the Carrier that it
/// is; each packet thread owns one Worker. Workers take no lock that the engine's thread holds. For an SA they
/// allocate its cipher contexts, at the first packet of each way; room for its connections as these become more
/// (connections.h); and its replay window when an UPDATE has changed the size. For datagrams that are put together
/// they allocate room, once (reassembly.h). For any other packet they allocate nothing.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/instant.h"
#include "engine/carrier.h"
#include "engine/engine.h"
#include "traffic/cause.h"
#include "traffic/packet.h"
#include "traffic/sa_numbers.h"

namespace ipseckey::traffic {

/// How a protected packet leaves. `header` counts the bytes at the packet's front, the IP header and for UDP the UDP
/// header, that a socket of the host would write itself.
struct Departure {
  Address src, dst;                          ///< Of the outer header; the source may be unspecified: the host chooses.
  std::uint8_t protocol = 0;                 ///< 50, 51 or 17.
  std::uint16_t src_port = 0, dst_port = 0;  ///< For UDP.
  std::size_t header = 0;
  std::uint8_t traffic_class = 0;
  bool dont_fragment = false;
  bool whole = false;     ///< So it stays, even where a link turns out to be too narrow.
  std::uint32_t mtu = 0;  ///< What its path takes: a longer packet has to leave in fragments.
  std::uint32_t id = 0;   ///< Names the datagram, if it is to leave in fragments over IPv6.
  engine::SaId sa{};      ///< Whose it is; its destination is not `dst` where a peer has moved or a source route leads.
};

/// One packet and what became of it.
struct Item {
  Packet packet;
  Cause cause = Cause::none;  ///< none: `packet` is now the protected, or the inner, packet. Else it is undefined,
                              ///< except that protect() leaves packets alone that it drops as no_sa or too_big.
  std::uint32_t mtu = 0;      ///< With too_big: the longest packet that would fit; 0: none that is cut would either.
  Departure departure;        ///< Of protect().
};

/// What passed and what was dropped, of one direction.
struct Totals {
  std::uint64_t packets = 0, bytes = 0;        ///< Let through; bytes of the packets inside.
  std::array<std::uint64_t, kCauses> drops{};  ///< By Cause.
  Totals& operator+=(const Totals& other);
};

/// What decides which SA an ICMP error belongs to (RFC 4301 section 6.2).
enum class IcmpErrors : std::uint8_t {
  quoted,  ///< Its own header; where no tunnel covers that, the packet that it quotes, turned round.
  own,     ///< Its own header alone.
  both,    ///< As `quoted`, and what comes by an SA must fit by the packet that it quotes in any case.
};

struct PlaneOptions {
  unsigned workers = 1;
  std::uint32_t mtu = 1500;  ///< The longest packet that the host's links take, as long as no smaller path is known.
  IcmpErrors icmp_errors = IcmpErrors::quoted;
  /// What comes by a tunnel must have the SA's own outer source. Else who has the key may send from anywhere (RFC 4301
  /// section 4.1), in UDP too, but for multicast SAs and those without integrity.
  bool same_source = false;
  /// The longest inner packet that the host passes on: TCP connections through tunnels are told a maximum segment size
  /// that this and the path leave room for. 0: it stays as it is.
  std::uint32_t mss_clamp = 0;
  /// Fills a span with octets that nobody can predict; nullptr: OpenSSL's generator. Tests want their own.
  void (*random)(MutableBytes) = nullptr;
  /// Where the numbers of an SA are; its memory outlives the plane. nullptr: the plane's own.
  SaNumbersSource numbers = nullptr;
  bool nat_follow = false;  ///< SAs in UDP send to where their peer was seen last.
};

/// The least that an ICMP error is believed about a path: less is rare on real links, and would slow everything down.
inline constexpr std::uint32_t kLeastReportV4 = 552, kLeastReportV6 = 1280;

class Plane;

/// One packet thread's part. Not to be shared by threads. Packets of one call may belong to any SAs; their order is
/// kept. A call is one critical section: between calls a worker holds nothing of the SADB.
class Worker {
 public:
  ~Worker();
  Worker(Worker&&) noexcept;

  /// Packets of this host, whole IP packets, before they leave: each is protected in place by the newest mature
  /// outbound SA whose selectors match, tunnel before transport (dying ones only if no other matches). TTL and Hop
  /// Limit of a tunnelled packet were decremented by whoever routed it here. Fragments that no tunnel without ports
  /// covers are held until the last one has come, whose item then is the whole datagram.
  void protect(std::span<Item> items, Instant now);

  /// Packets that arrived, from the outer IP header on, UDP header included where there is one (see add_header() for
  /// sockets that hide it): checked and opened in place; what remains is the inner packet, or in transport mode the
  /// packet as it was before it was protected.
  void unprotect(std::span<Item> items, Instant now);

  /// A protected packet that the link refused, because it takes `mtu` bytes only: from now on that is what the path of
  /// its SA takes (RFC 4301 section 8.2.1), and longer packets are too_big or leave in fragments. This one has its
  /// number already: it is made one that may be cut, whatever DF said, with its Departure. False, and it is lost: its
  /// SA is gone, or has DF for all packets, or no link of the family is that narrow.
  bool narrow(Item& item, std::uint32_t mtu, Instant now);

  /// Whether the engine's thread has something to do since this was last asked: Engine::attend() or Plane::wanted().
  bool attention();

 private:
  friend class Plane;
  struct State;
  explicit Worker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Plane final : public engine::Carrier {
 public:
  explicit Plane(PlaneOptions options = {});
  ~Plane() override;

  /// The packet thread's part with that number, from 0 on; each number once. The plane outlives its workers.
  Worker worker(unsigned number);

  // The Carrier, for engine::Options::carrier.
  void put(const engine::Sa& sa) override;
  void halt(const engine::SaId& id) override;
  void remove(const engine::SaId& id) override;
  std::optional<engine::Carried> carried(const engine::SaId& id) const override;
  std::optional<engine::SaId> attention() override;
  std::optional<pfkey::Endpoint> moved(const engine::SaId& id) override;

  // For the engine's thread.

  /// Traffic that was dropped for want of an SA, for Engine::acquire(); nullopt: no more, or enough for once. Few are
  /// kept.
  std::optional<engine::Wanted> wanted();
  /// After nullopt of attention(), and of wanted(): whether more wait for the next time, of which no worker tells.
  bool attention_left() const;
  bool wanted_left() const;
  /// The path of an outbound SA takes packets of `mtu` bytes, outer header included; of an ICMP error that names it, by
  /// the address to which it sends now, and which anybody may have forged. Values below kLeastReportV4 or V6 count as
  /// that, and what leaves under IPv4 may then be cut on the way; all are forgotten after ten minutes.
  void path_mtu(const engine::SaId& id, std::uint32_t mtu, Instant now);
  /// What shows the NAT in front of this host, or of a peer, that an SA in UDP is still there, because the SA has sent
  /// nothing for as long as it names: one octet (RFC 3948 section 2.3), written into the item, with its Departure.
  /// False: none is due, or it is enough for once, and then keep_alive_at() has passed. The SA does not count it.
  bool keep_alive(Item& item, Instant now);
  /// There was no room for that SA's: it is due once more in a second.
  void keep_alive_again(const engine::SaId& id, Instant now);
  /// When that is to be asked again, on the steady clock; nullopt: not before an SA comes or changes.
  std::optional<std::chrono::nanoseconds> keep_alive_at() const;
  /// Both may be read by any thread.
  Totals outbound() const;
  Totals inbound() const;

 private:
  friend class Worker;
  struct State;
  std::unique_ptr<State> state_;
};

/// An IPv6 extension header, whole, and the number that names it in what stands before it.
struct Extension {
  std::uint8_t protocol = 0;
  Bytes octets;
};

/// The headers that a socket hid (UDP; raw IPv6), as it told of them. `extensions` is in the packet's order; `options`
/// are IPv4's, padded to a multiple of four octets.
struct Arrival {
  Address src, dst;
  std::uint8_t protocol = 0;
  std::uint16_t src_port = 0, dst_port = 0;
  std::uint8_t traffic_class = 0, hop_limit = 64;
  std::span<const Extension> extensions = {};
  Bytes options = {};
};
/// Puts in front of a datagram the headers under which it arrived; protocol 17 adds a UDP header. What names the next
/// header is written anew, so that a Fragment header, which is gone, leaves no trace. The datagram is moved if there is
/// too little room before it. False: no room at all.
bool add_header(Packet& packet, const Arrival& arrival);

/// The ICMP answer to a packet that protect() found too big: "fragmentation needed" (RFC 1191) or "packet too big"
/// (RFC 4443 section 3.2), from `from`, written over the packet in its buffer. nullopt: from the unspecified address,
/// for the host to complete, with the checksum of ICMPv6. False: none may be sent (RFC 1122 section 3.2.2: for
/// fragments but the first, for ICMP errors, to or from addresses that are no single host).
bool make_too_big(Packet& packet, std::uint32_t mtu, const std::optional<Address>& from);

/// What an ICMP error that arrived (whole IP packet) says about the path of one of our SAs.
struct PathReport {
  engine::SaId id;
  std::uint32_t mtu = 0;
};
std::optional<PathReport> read_path_report(Bytes packet);

/// A protected packet cut into fragments of at most `mtu` bytes, each written into `room` and handed to `sink` in turn.
/// `id` names the datagram under IPv6, where we are the source. False: it may not be cut (IPv4 with DF), `mtu` or
/// `room` is too small, or its headers do not fit into the first fragment or would be more than parse() takes.
bool fragment(Bytes packet, std::uint32_t mtu, std::uint32_t id, MutableBytes room,
              absl::FunctionRef<void(Bytes)> sink);

}  // namespace ipseckey::traffic
