#pragma once
/// The packet path (doc/explanation/design.md, "Life of a packet"): AH and ESP as functions of a packet, the SAs and
/// the time.
///
/// There is one Plane for each Engine, shared by all threads: the engine's thread puts SAs into it through its Carrier
/// interface; each packet thread owns one Worker. Workers take no lock that the engine's thread holds. They allocate
/// memory in four cases: cipher contexts at an SA's first packet in each direction; a larger table when an SA has more
/// connections (connections.h); a new replay window after an UPDATE changed its size; and once for reassembly
/// (reassembly.h). For other packets they allocate nothing.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.h"
#include "engine/carrier.h"
#include "engine/engine.h"
#include "policy/lookup.h"
#include "traffic/cause.h"
#include "traffic/packet.h"
#include "traffic/sa_numbers.h"

namespace ipseckey::traffic {

/// How a protected packet leaves. `header` is the number of bytes at the packet's front, the IP header and for UDP the
/// UDP header, that a socket of the host would write itself.
struct Departure {
  Address src, dst;           ///< Of the outer header; if the source is unspecified, the host chooses it.
  std::uint8_t protocol = 0;  ///< 50, 51 or 17.
  std::uint16_t src_port = 0, dst_port = 0;  ///< For UDP.
  std::size_t header = 0;
  std::uint8_t traffic_class = 0;
  bool dont_fragment = false;
  bool whole = false;           ///< It must remain set, even if a link turns out to be too narrow.
  std::uint32_t mtu = 0;        ///< The path MTU: longer packets must leave in fragments.
  std::uint32_t id = 0;         ///< Identifies the datagram if it leaves in fragments over IPv6.
  std::uint32_t interface = 0;  ///< The index of the interface by which it must leave; 0: the routes choose.
  engine::SaId sa{};  ///< The packet's SA; its destination differs from `dst` after a move, or with a source route.
};

/// How a packet came to the plane, which only rules ask about. The default is that it was routed into the device.
struct Arrived {
  bool by_hook = false;        ///< The host's own path was interrupted for it, and it can continue there in clear.
  bool forwarded = false;      ///< The host passes it on: only rules in tunnel mode are about it. For a hook only.
  bool uncut = false;          ///< It may be cut after it was protected, even under IPv6: this host is its source.
  std::uint32_t mark = 0;      ///< The packet's.
  std::string_view link = {};  ///< The interface that it leaves or came by: a tunnel's, or any. For a hook only.
};

struct Arrival;

/// One packet and the result.
struct Item {
  Packet packet;
  Cause cause = Cause::none;  ///< none: `packet` is now the protected, or the inner, packet. Otherwise it is undefined,
                              ///< except that protect() does not change packets that it drops as no_sa or too_big.
  std::uint32_t mtu = 0;      ///< With too_big: the longest packet that would fit; 0: fragmenting would not help.
  Departure departure;        ///< Set by protect() for protected packets.
  Arrived arrived = {};       ///< Set by the caller, if not as by default.
  bool follows = false;  ///< For protect(): cut from the same long packet as the item before it. Their headers differ
                         ///< only in lengths, counters and sums.
  /// For unprotect(), of a datagram in the place where the kernel put it: `packet` is the payload of UDP, and its
  /// headers are these; they outlive the call. nullptr: `packet` includes its headers.
  const Arrival* told = nullptr;
  MutableBytes spare = {};  ///< A longer buffer: a packet that needs more room than it has is moved there. Empty: none.
  bool clear = false;       ///< Set by protect(), with cause none: rules, or that none is about it, let it go in clear,
                            ///< and there is no Departure. `packet` is what it was; if that was a fragment, it can be
                            ///< its whole datagram, whose other pieces were held.
};

/// Packets that passed and packets that were dropped, in one direction.
struct Totals {
  std::uint64_t packets = 0, bytes = 0;        ///< Accepted packets; bytes of the inner packets.
  std::uint64_t clear = 0;                     ///< Packets that went or were accepted in clear, as the rules say.
  std::array<std::uint64_t, kCauses> drops{};  ///< Indexed by Cause.
  Totals& operator+=(const Totals& other);
};

/// How the SA for an ICMP error is chosen (RFC 4301 section 6.2).
enum class IcmpErrors : std::uint8_t {
  quoted,  ///< By its own header; if no tunnel covers that, by the packet that it quotes, reversed.
  own,     ///< By its own header only.
  both,    ///< As `quoted`; besides, an inbound error must quote a packet that matches its SA.
};

/// What is done with a protected inbound packet that no rule is about.
enum class Unruled : std::uint8_t {
  accept,  ///< It satisfies its SA, as if there were no rules.
  drop,    ///< As on Solaris: got_secure.
};

struct PlaneOptions {
  unsigned workers = 1;
  std::uint32_t mtu = 1500;  ///< The MTU of the host's links, used until a smaller path MTU is known.
  IcmpErrors icmp_errors = IcmpErrors::quoted;
  /// Inbound tunnel packets must come from the SA's outer source. Otherwise anyone who has the key may send from any
  /// address (RFC 4301 section 4.1), also in UDP, except for multicast SAs and SAs without integrity.
  bool same_source = false;
  /// The longest inner packet that the host forwards: TCP connections through tunnels are given a maximum segment size
  /// that fits this and the path. 0: it is not changed.
  std::uint32_t mss_clamp = 0;
  /// Fills a span with unpredictable octets; nullptr: OpenSSL's generator. Tests use their own.
  void (*random)(MutableBytes) = nullptr;
  /// Returns an SA's numbers, in memory that outlives the plane. nullptr: the plane's own.
  SaNumbersSource numbers = nullptr;
  bool nat_follow = false;  ///< SAs in UDP send to the place where their peer was last seen.
  // Where there are rules:
  std::string device = {};  ///< Packets that come by no hook belong to the tunnel of that name, if it has rules.
  Unruled unruled = Unruled::accept;  ///< The host's packets; those of a tunnel with rules are dropped.
  /// Kinds of ICMP that protocols depend on before there is any protection (neighbour discovery, errors, answers:
  /// accepted_in_clear()) are accepted in clear, unless their rule names ICMP.
  bool icmp_in_clear = true;
};

/// The smallest path MTU that is accepted from an ICMP error: smaller ones are rare on real links and would slow all
/// traffic down.
inline constexpr std::uint32_t kLeastReportV4 = 552, kLeastReportV6 = 1280;

class Plane;

/// The part that belongs to one packet thread. Not thread-safe. Packets of one call may belong to any SAs; their order
/// is kept. A call is one critical section: between calls a worker does not use the SADB.
class Worker {
 public:
  ~Worker();
  Worker(Worker&&) noexcept;

  /// Complete outbound IP packets of this host: each is protected in place by the newest mature outbound SA whose
  /// selectors match, tunnel before transport (dying SAs only if no other matches). Where there are rules, a packet
  /// that one is about gets what that demands (Plane::rules). The router that passed a tunnelled packet here has
  /// already decremented TTL or Hop Limit. Fragments that no tunnel without ports covers are held until the last one
  /// arrives; its item then contains the whole datagram.
  void protect(std::span<Item> items, Instant now);

  /// Inbound packets from the outer IP header on, including a UDP header (see Item::told and add_header() for sockets
  /// that hide it): checked and decrypted in place; the result is the inner packet, or in transport mode the original
  /// packet.
  void unprotect(std::span<Item> items, Instant now);

  /// An opened packet, where only whole datagrams can be delivered. A fragment is held until the last one arrives,
  /// whose item then contains the datagram; one that contradicts the others is dropped with them. Others stay as they
  /// are.
  void gather(Item& item, Instant now);

  /// Inbound packets that arrived in clear: complete IP packets, which stay as they are. Cause none: the rules, or that
  /// there are none, accept it. An ICMP message can be accepted though its rule demands protection
  /// (PlaneOptions::icmp_in_clear). A fragment that may be one of a packet that is not accepted is dropped.
  void admit(std::span<Item> items, Instant now);

  /// A protected packet was refused by a link with an MTU of `mtu` bytes: that becomes the path MTU of its SA (RFC 4301
  /// section 8.2.1), and longer packets are too_big or leave in fragments. This packet already has its sequence number,
  /// so it is made fragmentable, whatever its DF, and returned with its Departure. False, and the packet is lost: its
  /// SA no longer exists, or sets DF on all packets, or no link of the family has such an MTU.
  bool narrow(Item& item, std::uint32_t mtu, Instant now);

  /// Whether the engine's thread has something to do since the last call: Engine::attend() or Plane::wanted().
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

  /// The packet thread's part with that number, from 0 on; take each number once. The plane outlives its workers.
  Worker worker(unsigned number);

  // The Carrier interface, for engine::Options::carrier.
  void put(const engine::Sa& sa) override;
  void halt(const engine::SaId& id) override;
  void remove(const engine::SaId& id) override;
  std::optional<engine::Carried> carried(const engine::SaId& id) const override;
  std::optional<engine::SaId> attention() override;
  std::optional<pfkey::Endpoint> moved(const engine::SaId& id) override;

  // For the engine's thread.

  /// From now on packets are treated as these rules demand, in both directions; nullptr or no rules: routing is the
  /// policy, as protect() says. A call of a worker has the rules before or those after, for all its packets, and waits
  /// for nothing. A rule that protects uses the newest mature SA that policy::objections() has nothing against and
  /// whose selectors match, one with a source before one without; for AH with ESP, one of each with the same ends and
  /// bundle number. With `sa unique` it is one that no other connection has used since the plane began. A packet that
  /// no rule is about goes in clear if it came by a hook; from the device, routing is the policy.
  void rules(std::shared_ptr<const policy::Lookup> rules);

  /// A packet that was dropped for lack of an SA, for Engine::acquire(); nullopt: there are no more, or this round is
  /// full. Only a few are kept.
  std::optional<engine::Wanted> wanted();
  /// After nullopt of attention() and of wanted(): whether more wait for the next round, which no worker will report.
  bool attention_left() const;
  bool wanted_left() const;
  /// An ICMP error that names an outbound SA, by the address to which it sends now, reports a path MTU of `mtu` bytes,
  /// outer header included. Anybody may have forged it. Smaller values than kLeastReportV4 or V6 count as that, and
  /// IPv4 packets may then be fragmented on the way; all reports expire after ten minutes.
  void path_mtu(const engine::SaId& id, std::uint32_t mtu, Instant now);
  /// A keepalive for an SA in UDP that has sent nothing for its interval, so that the NAT in front of this host or the
  /// peer keeps its mapping: one octet (RFC 3948 section 2.3), written into the item, with its Departure. False: none
  /// is due, or this round is full, and then keep_alive_at() has passed. The SA's counters do not include it.
  bool keep_alive(Item& item, Instant now);
  /// The last keepalive could not be sent: it is due again in a second.
  void keep_alive_again(const engine::SaId& id, Instant now);
  /// When keep_alive() must be called again, on the steady clock; nullopt: not before an SA comes or changes.
  std::optional<std::chrono::nanoseconds> keep_alive_at() const;
  /// Both are thread-safe.
  Totals outbound() const;
  Totals inbound() const;

 private:
  friend class Worker;
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether such a message is accepted in clear though a rule that does not name ICMP demands protection, as on Solaris:
/// IPv4 answers, router advertisements, time exceeded, source quench, and unreachable for net, host or size; of ICMPv6
/// everything but echo requests and parameter problems.
bool accepted_in_clear(Family family, std::uint8_t type, std::uint8_t code);

/// A complete IPv6 extension header, and its number in the preceding header's next-header field.
struct Extension {
  std::uint8_t protocol = 0;
  Bytes octets;
};

/// The headers that a socket hid (UDP; raw IPv6), as the socket reported them. `extensions` are in the packet's order;
/// `options` are IPv4's, padded to a multiple of four octets.
struct Arrival {
  Address src, dst;
  std::uint8_t protocol = 0;
  std::uint16_t src_port = 0, dst_port = 0;
  std::uint8_t traffic_class = 0, hop_limit = 64;
  std::span<const Extension> extensions = {};
  Bytes options = {};
};
/// Puts the headers of an inbound datagram in front of it; protocol 17 adds a UDP header. The next-header fields are
/// rewritten, so that a Fragment header, which is gone, leaves no trace. The datagram is moved if there is too little
/// room before it. False: there is no room at all.
bool add_header(Packet& packet, const Arrival& arrival);

/// The ICMP answer to a packet that protect() found too big: "fragmentation needed" (RFC 1191) or "packet too big" (RFC
/// 4443 section 3.2), from `from`, written over the packet in its buffer. nullopt: from the unspecified address, which
/// the host replaces, with the checksum of ICMPv6. False: no answer is allowed (RFC 1122 section 3.2.2: to fragments
/// after the first, to ICMP errors, to or from addresses that are not a single host's).
bool make_too_big(Packet& packet, std::uint32_t mtu, const std::optional<Address>& from);

/// What an inbound ICMP error (a complete IP packet) reports about the path of one of our SAs.
struct PathReport {
  engine::SaId id;
  std::uint32_t mtu = 0;
};
std::optional<PathReport> read_path_report(Bytes packet);

/// Cuts a protected packet into fragments of at most `mtu` bytes; each is written into `room` and passed to `sink`.
/// `id` identifies the datagram under IPv6, where we are the source. False: it must not be fragmented (IPv4 with DF),
/// `mtu` or `room` is too small, or its headers do not fit into the first fragment or would be more than parse()
/// accepts.
bool fragment(Bytes packet, std::uint32_t mtu, std::uint32_t id, MutableBytes room,
              absl::FunctionRef<void(Bytes)> sink);

}  // namespace ipseckey::traffic
