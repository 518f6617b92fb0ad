#pragma once
/// PF_KEY v2 messages, typed. Everything above the sockets speaks this; bytes exist only in codec.h.
/// Numbers are RFC 2367's with the Solaris extensions (net/pfkeyv2.h there); doc/reference/pf-key.md is our reference.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "base/export.h"
#include "base/net.h"
#include "base/secret.h"

namespace ipseckey::pfkey {

/// RFC 2367 section 2.1 and the Solaris additions. Any other value may come off a socket.
enum class Type : std::uint8_t {
  reserved = 0,
  getspi,
  update,
  add,
  del,
  get,
  acquire,
  reg,
  expire,
  flush,
  dump,
  x_promisc,
  x_inverse_acquire,
  x_updatepair,
  x_delpair,
  x_delpair_state,
  x_nat_t_new_mapping = 23  ///< A notice, by Linux' number; no request.
};
inline constexpr std::uint8_t kTypeMax = 15;  ///< Of requests.

/// RFC 2367 section 2.2. Only AH and ESP have an engine behind them.
enum class SaType : std::uint8_t { unspec = 0, ah = 2, esp = 3 };

enum class State : std::uint8_t { larval, mature, dying, dead, active_elsewhere, idle, active };

/// sadb_sa_flags: SADB_SAFLAGS_ and SADB_X_SAFLAGS_ of Solaris' net/pfkeyv2.h, whose bits from 0x400000 on have other
/// meanings elsewhere.
enum SaFlag : std::uint32_t {
  kFlagPfs = 0x1,
  kFlagNoReplay = 0x2,
  kFlagNatted = 0x1000,
  kFlagTcpSig = 0x2000,  ///< Of TCP signatures, which have no engine here.
  kFlagInbound = 0x4000,
  kFlagOutbound = 0x8000,
  kFlagPaired = 0x10000,
  kFlagTunnel = 0x20000,
  kFlagKernel2 = 0x40000,  ///< Solaris' kernel's own, like kFlagKernel1.
  kFlagNattRemote = 0x80000,
  kFlagNattLocal = 0x100000,
  kFlagKernel1 = 0x200000,
  kFlagManager4 = 0x400000,  ///< For key managers to use as they like, like the three that follow.
  kFlagManager3 = 0x800000,
  kFlagManager2 = 0x1000000,
  kFlagManager1 = 0x2000000,
  kFlagEalg2 = 0x4000000,  ///< Counter-mode cipher.
  kFlagEalg1 = 0x8000000,  ///< Combined-mode cipher.
  kFlagAalg2 = 0x10000000,
  kFlagAalg1 = 0x20000000,
  kFlagUnique = 0x40000000,  ///< Bound to ports or a protocol.
  kFlagUsed = 0x80000000,
};

inline constexpr std::uint8_t kProtoIpip = 4, kProtoTcp = 6, kProtoUdp = 17, kProtoIpv6 = 41;
inline constexpr std::uint8_t kEalgNull = 11;    ///< SADB_EALG_NULL.
inline constexpr std::uint16_t kNatPort = 4500;  ///< Of ESP in UDP where none is named (RFC 3948).

/// sadb_sa: 16 bytes.
struct Sa {
  std::uint32_t spi = 0;    ///< Host order here, network order on the wire.
  std::uint8_t replay = 0;  ///< Replay window, packets.
  State state = State::larval;
  std::uint8_t auth = 0;  ///< Number from the algorithm table; 0: none.
  std::uint8_t encrypt = 0;
  std::uint32_t flags = 0;  ///< SaFlag bits.
  bool operator==(const Sa&) const = default;
};

/// sadb_lifetime: 32 bytes. CURRENT: absolute seconds since 1970, usetime 0 = not used yet.
/// HARD, SOFT, IDLE: seconds after the event, 0 = no limit.
struct Lifetime {
  std::uint32_t allocations = 0;
  std::uint64_t bytes = 0;
  std::uint64_t addtime = 0;
  std::uint64_t usetime = 0;
  bool operator==(const Lifetime&) const = default;
  bool empty() const { return *this == Lifetime{}; }
};

/// sadb_address with its sockaddr.
struct Endpoint {
  std::uint8_t proto = 0;   ///< IP protocol number, 0: any.
  std::uint8_t prefix = 0;  ///< Prefix length in bits; meaningful for inner addresses.
  Address address;
  std::uint16_t port = 0;  ///< Host order here; 0: any.
  bool operator==(const Endpoint&) const = default;
};

/// What the outer headers of a tunnel name as their payload, by an inner address.
inline std::uint8_t tunnel_protocol(const Address& inner) {
  return inner.family == Family::v4 ? kProtoIpip : kProtoIpv6;
}

/// The UDP port of an end of ESP in UDP: its own, or kNatPort.
inline std::uint16_t nat_port(const std::optional<Endpoint>& end) { return end && end->port ? end->port : kNatPort; }

/// sadb_key. In ADD and UPDATE `material` is key, salt and explicit IV, `bits` their total and `reserved` the bits of
/// the IV. In GET and DUMP replies it is key and salt, `bits` those of the key and `reserved` those of the salt.
struct Key {
  std::uint16_t bits = 0;
  std::uint16_t reserved = 0;
  Secret material;
  Key clone() const { return {bits, reserved, material.clone()}; }
  bool operator==(const Key&) const = default;
};

enum class IdentityType : std::uint16_t { reserved, prefix, fqdn, user_fqdn, x_dn, x_gn, x_key_id, x_addr_range };

/// sadb_ident.
struct Identity {
  IdentityType type{};
  std::uint64_t id = 0;
  std::string text;  ///< No NUL inside.
  bool operator==(const Identity&) const = default;
};

/// sadb_sens.
struct Sensitivity {
  std::uint32_t dpd = 0;
  std::uint8_t level = 0;
  std::uint8_t integrity = 0;
  std::uint32_t flags = 0;  ///< kSensImplicit.
  std::vector<std::uint64_t> bitmap, integrity_bitmap;
  bool operator==(const Sensitivity&) const = default;
};
inline constexpr std::uint32_t kSensImplicit = 0x1;

/// sadb_comb: one combination of a proposal (72 bytes).
struct Combination {
  std::uint8_t auth = 0, encrypt = 0;
  std::uint16_t flags = 0;
  std::uint16_t auth_minbits = 0, auth_maxbits = 0, encrypt_minbits = 0, encrypt_maxbits = 0;
  std::uint8_t encrypt_saltbits = 0;
  Lifetime soft, hard;
  bool operator==(const Combination&) const = default;
};

struct Proposal {
  std::uint8_t replay = 0;
  std::vector<Combination> combinations;
  bool operator==(const Proposal&) const = default;
};

/// sadb_x_algdesc: one algorithm of an extended combination.
struct AlgorithmDescription {
  SaType satype{};
  std::uint8_t kind = 0;  ///< 1: authentication, 2: encryption, 3: compression.
  std::uint8_t algorithm = 0;
  std::uint8_t saltbits = 0;
  std::uint16_t minbits = 0, maxbits = 0;
  bool operator==(const AlgorithmDescription&) const = default;
};

/// sadb_x_ecomb.
struct ExtendedCombination {
  std::uint16_t flags = 0;
  Lifetime soft, hard;
  std::vector<AlgorithmDescription> algorithms;  ///< At most 255.
  bool operator==(const ExtendedCombination&) const = default;
};

struct ExtendedProposal {
  std::uint8_t replay = 0;
  std::vector<ExtendedCombination> combinations;
  bool operator==(const ExtendedProposal&) const = default;
};

/// sadb_alg: one supported algorithm. Key sizes are in bits, without salt.
struct SupportedAlgorithm {
  std::uint8_t id = 0;
  std::uint8_t ivlen = 0;  ///< Bytes, as illumos fills it in (its header says bits).
  std::uint16_t minbits = 0, maxbits = 0;
  std::uint8_t increment = 0;
  std::uint8_t saltbits = 0;
  bool operator==(const SupportedAlgorithm&) const = default;
};

struct Supported {
  std::vector<SupportedAlgorithm> algorithms;
  bool operator==(const Supported&) const = default;
};

struct SpiRange {
  std::uint32_t min = 0, max = 0;  ///< Host order here, network order on the wire.
  bool operator==(const SpiRange&) const = default;
};

/// sadb_x_ereg: the SA types of an extended REGISTER, 0 ends the list.
struct ExtendedRegister {
  std::array<std::uint8_t, 4> satypes{};
  bool operator==(const ExtendedRegister&) const = default;
};

/// sadb_x_kmc: which key manager owns the SA.
struct KmCookie {
  std::uint32_t proto = 0;  ///< 0 manual, 1 IKE, 2 KINK, 3 IKEv2.
  std::uint64_t cookie = 0;
  bool operator==(const KmCookie&) const = default;
};

struct Pair {
  std::uint32_t spi = 0;  ///< Host order here, network order on the wire.
  bool operator==(const Pair&) const = default;
};

struct ReplayValue {
  std::uint32_t low = 0;   ///< replay32: the last sequence number sent, or the highest seen.
  std::uint64_t wide = 0;  ///< replay64.

  static ReplayValue of(std::uint64_t number) {
    if (number > UINT32_MAX) return {0, number};
    return {static_cast<std::uint32_t>(number), 0};
  }
  /// Whichever of the two says it.
  std::uint64_t number() const { return low > wide ? low : wide; }
  bool operator==(const ReplayValue&) const = default;
};

struct ExtendedDump {
  std::uint64_t timeout = 0;  ///< Seconds.
  bool operator==(const ExtendedDump&) const = default;
};

// Ours: what Linux has beside PF_KEY (doc/reference/pf-key.md, "Extensions of ours").

/// A number of its own: the member of Message says what it counts.
struct Number {
  std::uint32_t value = 0;
  bool operator==(const Number&) const = default;
};

/// The packet mark that an SA is bound to: those whose mark, and-ed with `mask`, is `value`.
struct Mark {
  std::uint32_t value = 0, mask = UINT32_MAX;
  bool operator==(const Mark&) const = default;
};

/// A replay window that Sa::replay, an octet, cannot say, or one that counts in 64 bits (RFC 4303 section 2.2.1).
/// Sa::replay then holds min(window, 255).
struct ReplayWindow {
  static constexpr std::uint32_t kMost = 4096;  ///< Packets that any SADB takes.
  std::uint32_t window = 0;                     ///< Packets.
  bool esn = false;                             ///< Extended sequence numbers.
  bool operator==(const ReplayWindow&) const = default;
};

/// DF: the bit "don't fragment" of a tunnel's outer IPv4 header (RFC 4301 section 8.1).
enum Df : std::uint32_t {
  kDfCopy,   ///< That of the packet inside, and none if there is IPv6 inside; without a word.
  kDfSet,    ///< Always.
  kDfClear,  ///< Never: the network may fragment.
};

/// DSCP: the traffic class of a tunnel (RFC 4301 section 5.1.2). A number up to kDscpMost: outbound, that of the outer
/// header.
enum Dscp : std::uint32_t {
  kDscpMost = 63,
  kDscpKeep = 64,  ///< Inbound, what is inside keeps its own; without a word.
  kDscpCopy = 65,  ///< Inbound, what is inside gets that of the outer header.
};

/// DEVICE: the network device that the packets of an SA come in or go out by.
struct Device {
  static constexpr std::size_t kLongest = 15;  ///< Octets of a name: IFNAMSIZ without its NUL.
  std::string name;                            ///< No NUL inside.
  bool operator==(const Device&) const = default;
};

/// The network device that does the work of an SA.
struct Offload {
  enum class Mode : std::uint8_t { crypto = 1, packet = 2 };
  Mode mode = Mode::crypto;
  std::string device;  ///< Its name; no NUL inside.
  bool operator==(const Offload&) const = default;
};

/// Packet counters of an SA besides LIFETIME_CURRENT; only in replies.
struct Traffic {
  std::uint64_t packets = 0;     ///< Protected, or accepted.
  std::uint64_t last_use = 0;    ///< Seconds since 1970; 0: not used yet.
  std::uint64_t replayed = 0;    ///< Dropped: the number was accepted before.
  std::uint64_t late = 0;        ///< Dropped: the number lies left of the replay window.
  std::uint64_t corrupt = 0;     ///< Dropped: the ICV was wrong.
  std::uint64_t mismatched = 0;  ///< Dropped: the SA does not cover what was inside, or whom it came from.
  std::uint64_t malformed = 0;   ///< Dropped: wrong sizes, padding or inner headers.
  bool operator==(const Traffic&) const = default;
};

/// What a SADB says in words: the cause of a refusal and its cure, or a reservation about what was done.
struct Remark {
  std::string text;  ///< Clauses without a full stop, no key material, no NUL inside.
  bool operator==(const Remark&) const = default;
};

/// One message. An extension that is absent is nullopt; none can be there twice. The ones that few messages have and
/// that are large or own memory are boxed.
struct Message {
  Message() {}  ///< Not `= default`: `Message()` would clear every octet before it sets those that are read.
  Type type{};
  SaType satype{};
  std::uint8_t error = 0;        ///< sadb_msg_errno, the host's numbers.
  std::uint16_t diagnostic = 0;  ///< sadb_x_msg_diagnostic: a Diagnostic.
  std::uint32_t seq = 0, pid = 0;

  std::optional<Sa> sa;
  std::optional<Lifetime> current, hard, soft, idle;
  std::optional<Endpoint> src, dst, natt_local, natt_remote, inner_src, inner_dst;
  std::optional<KmCookie> km_cookie;
  std::optional<Key> auth_key, encrypt_key;
  Boxed<Identity> src_identity, dst_identity;
  Boxed<Sensitivity> sensitivity, outer_sensitivity;
  std::optional<Pair> pair;
  std::optional<ReplayValue> replay_value;
  Boxed<Proposal> proposal;
  Boxed<ExtendedProposal> extended_proposal;
  Boxed<Supported> supported_auth, supported_encrypt;
  std::optional<SpiRange> spi_range;
  std::optional<ExtendedRegister> extended_register;
  std::optional<ExtendedDump> extended_dump;
  std::optional<Key>
      initial_iv;  ///< Ours: the explicit IV of an SA, in GET and DUMP replies (doc/reference/pf-key.md).

  std::optional<Number> reqid;     ///< Joins an SA to the templates of policies.
  std::optional<Number> if_id;     ///< Joins it to an XFRM interface.
  std::optional<Number> ah_align;  ///< Bytes that AH is a multiple of under IPv4: 4 (RFC 4302) if absent, or 8 (Linux).
  std::optional<Number> icv;       ///< Bits of the ICV of `Sa::auth`; absent: as the algorithm's RFC has it.
  std::optional<Number> tfc_pad;   ///< Octets that what ESP encrypts is padded to, at least (RFC 4303 section 2.7).
  std::optional<Number> df, dscp;  ///< Df, Dscp.
  std::optional<Number> keepalive;        ///< Seconds between the keepalives of a NAT (RFC 3948 section 2.3).
  std::optional<Number> bundle;           ///< Joins an AH and an ESP SA that protect the same packets (RFC 4301).
  std::optional<Mark> mark, output_mark;  ///< Of the packets that it is for; of those that it has protected.
  std::optional<ReplayWindow> replay_window;
  Boxed<Offload> offload;
  Boxed<Device> device;
  Boxed<Remark> remark;
  std::optional<Traffic> traffic;

  /// The replay window, packets: REPLAY_WINDOW says it, or else SA; 0: none, or not spoken of.
  std::uint32_t window() const { return replay_window ? replay_window->window : sa ? sa->replay : 0; }
  /// Extended sequence numbers are requested, or the SA has them.
  bool extended() const { return replay_window && replay_window->esn; }

  /// A message with this one's header and no extension.
  Message header() const {
    Message m;
    m.type = type, m.satype = satype, m.error = error, m.diagnostic = diagnostic, m.seq = seq, m.pid = pid;
    return m;
  }
  IPSECKEY_API Message clone() const;  ///< Keys included.
  bool operator==(const Message&) const = default;
};

using Slot =
    std::variant<std::optional<Sa> Message::*, std::optional<Lifetime> Message::*, std::optional<Endpoint> Message::*,
                 std::optional<KmCookie> Message::*, std::optional<Key> Message::*, Boxed<Identity> Message::*,
                 Boxed<Sensitivity> Message::*, std::optional<Pair> Message::*, std::optional<ReplayValue> Message::*,
                 Boxed<Proposal> Message::*, Boxed<ExtendedProposal> Message::*, Boxed<Supported> Message::*,
                 std::optional<SpiRange> Message::*, std::optional<ExtendedRegister> Message::*,
                 std::optional<ExtendedDump> Message::*, std::optional<Number> Message::*,
                 std::optional<Mark> Message::*, std::optional<ReplayWindow> Message::*, Boxed<Offload> Message::*,
                 Boxed<Device> Message::*, Boxed<Remark> Message::*, std::optional<Traffic> Message::*>;

}  // namespace ipseckey::pfkey
