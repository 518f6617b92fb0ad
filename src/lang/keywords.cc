// THE table of keywords:
// 1. A row has a keyword's names, the member of SaSpec that keeps its value, its place in the message, the commands
//    that use or need it, and a sentence for the help.
// 2. The order of the rows is that of `save`.
// 3. find_keyword() finds a row by any of its names, keyword_for() by its member.
// 4. put_joined() and take_joined() are loops over the rows: a command becomes a message, and a message a command
//    again.
#include "lang/keywords.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lang/joints.h"
#include "lang/syntax.h"
#include "table/record.h"

namespace ipseckey::lang {

template <class Place>
constexpr Keyword::Keyword(std::string_view its_names, Place place, Verbs used_by, Verbs required_by,
                           std::string_view sentence, std::string_view its_v6_names, pfkey::SaType only_for)
    : Row{its_names, its_v6_names, sentence, nullptr, used_by, required_by},
      slot(Joint{place}.slot),
      joint(Joint{place}),
      only(only_for) {
  kind = table::kind_of<Syntax>(slot);
}

namespace {

using namespace joints;
using pfkey::SaType;
constexpr Verbs kWrite = kWriters, kAll = kWriters | kFinders;
constexpr Verbs kPairing = bit(Verb::add) | bit(Verb::update);

// The order is that of `save`: what names the SA, its traffic, its algorithms, its life, the rest.
constexpr std::array kTable = {
    Keyword{"spi", kSpi, kAll, kAll, "Security parameters index of the SA."},
    Keyword{"pair-spi", kPair, kPairing, 0, "Pair the SA with the SA that has this SPI in the opposite direction."},
    Keyword{"inbound", kFlag<&S::inbound, pfkey::kFlagInbound>, kAll, 0, "The SA is for incoming packets."},
    Keyword{"outbound", kFlag<&S::outbound, pfkey::kFlagOutbound>, kAll, 0, "The SA is for outgoing packets."},
    Keyword{"src srcaddr saddr", &S::src, kAll, 0, "Source address of the SA; any source if omitted.",
            "src6 srcaddr6 saddr6"},
    Keyword{"dst dstaddr daddr", &S::dst, kAll, kAll, "Destination address of the SA.", "dst6 dstaddr6 daddr6"},
    Keyword{"sport", &S::sport, kAll, 0, "Source port of the traffic that the SA protects."},
    Keyword{"dport", &S::dport, kAll, 0, "Destination port of the traffic that the SA protects."},
    Keyword{"proto ulp", &S::proto, kAll, 0,
            "IP protocol of the traffic that the SA protects; 4 or 41 in tunnel mode."},
    Keyword{"isrc innersrc proxyaddr proxy", &S::inner_src, kWrite, 0, "Source address of the traffic inside a tunnel.",
            "isrc6 innersrc6 proxyaddr6 proxy6"},
    Keyword{"idst innerdst", &S::inner_dst, kWrite, 0, "Destination address of the traffic inside a tunnel.",
            "idst6 innerdst6"},
    Keyword{"isport innersport", &S::inner_sport, kWrite, 0, "Source port of the traffic inside a tunnel."},
    Keyword{"idport innerdport", &S::inner_dport, kWrite, 0, "Destination port of the traffic inside a tunnel."},
    Keyword{"iproto iulp", &S::inner_proto, kWrite, 0, "IP protocol of the traffic inside a tunnel."},
    Keyword{"icmp-type", &S::icmp_type, kWrite, 0,
            "ICMP type (0 to 255) of the traffic; needs proto icmp or ipv6-icmp (iproto in a tunnel)."},
    Keyword{"icmp-code", &S::icmp_code, kWrite, 0, "ICMP code (0 to 255) of the traffic; needs icmp-type."},
    Keyword{"encap", &S::encap, kWrite, 0, "Encapsulate ESP packets in UDP for NAT traversal.", {}, SaType::esp},
    Keyword{"nat_loc", &S::nat_local, kWrite, 0, "Public address of the NAT in front of this host.", {}, SaType::esp},
    Keyword{"nat_lport", &S::nat_local_port, kWrite, 0, "Local UDP port of encapsulated ESP packets.", {}, SaType::esp},
    Keyword{"nat_rem", &S::nat_remote, kWrite, 0, "Internal address of the peer, behind its NAT.", {}, SaType::esp},
    Keyword{
        "nat_rport", &S::nat_remote_port, kWrite, 0, "Remote UDP port of encapsulated ESP packets.", {}, SaType::esp},
    Keyword{"keepalive",
            kNumber<&Message::keepalive>,
            kWrite,
            0,
            "Send a NAT keepalive after NUMBER seconds without a packet; off by default.",
            {},
            SaType::esp},
    Keyword{"encr_alg encralg",
            kAlgorithm<&S::encrypt, &pfkey::Sa::encrypt>,
            kWrite,
            0,
            "Encryption algorithm.",
            {},
            SaType::esp},
    Keyword{"reserved_bits",
            &S::reserved_bits,
            kWrite,
            0,
            "Number of bits at the end of encrkey that are an explicit initial IV (for tests only).",
            {},
            SaType::esp},
    Keyword{"encrkey",
            &S::encrypt_key,
            kWrite,
            0,
            "Encryption key; for CCM, GCM and CTR, followed by the salt.",
            {},
            SaType::esp},
    Keyword{"auth_alg authalg", kAlgorithm<&S::auth, &pfkey::Sa::auth>, kWrite, 0, "Authentication algorithm."},
    Keyword{"authkey", &S::auth_key, kWrite, 0, "Authentication key."},
    Keyword{"icv", kNumber<&Message::icv>, kWrite, 0,
            "ICV length of auth_alg in bits; by default the length in the algorithm's RFC."},
    Keyword{"tfcpad",
            kNumber<&Message::tfc_pad>,
            kWrite,
            0,
            "Pad what a tunnel encrypts to at least NUMBER bytes, to hide its length.",
            {},
            SaType::esp},
    Keyword{"df", kNumber<&Message::df>, kWrite, 0,
            "\"Don't fragment\" bit of a tunnel's outer IPv4 header; copy by default."},
    Keyword{"dscp", kNumber<&Message::dscp>, kWrite, 0,
            "DSCP of a tunnel: outbound, the outer header's value; inbound, copy writes it into the inner packet; keep "
            "by default."},
    Keyword{"replay", kWindow, kWrite, 0, "Size of the replay window in packets; 0 (the default) turns the check off."},
    Keyword{"replay_value", kReplayValue, kWrite, 0, "Last sequence number sent, or highest number received."},
    Keyword{"state", kState, kWrite, 0, "State of the SA; mature if omitted."},
    Keyword{"soft_bytes", kLimit<&S::soft_bytes, &Message::soft, &Lifetime::bytes>, kWrite, 0,
            "Mark the SA dying and send EXPIRE after NUMBER bytes."},
    Keyword{"soft_addtime", kLimit<&S::soft_addtime, &Message::soft, &Lifetime::addtime>, kWrite, 0,
            "Mark the SA dying and send EXPIRE NUMBER seconds after it was added."},
    Keyword{"soft_usetime", kLimit<&S::soft_usetime, &Message::soft, &Lifetime::usetime>, kWrite, 0,
            "Mark the SA dying and send EXPIRE NUMBER seconds after its first use."},
    Keyword{"soft_alloc soft_packets", kLimit<&S::soft_alloc, &Message::soft, &Lifetime::allocations>, kWrite, 0,
            "Mark the SA dying and send EXPIRE after NUMBER allocations."},
    Keyword{"hard_bytes", kLimit<&S::hard_bytes, &Message::hard, &Lifetime::bytes>, kWrite, 0,
            "Delete the SA and send EXPIRE after NUMBER bytes."},
    Keyword{"hard_addtime", kLimit<&S::hard_addtime, &Message::hard, &Lifetime::addtime>, kWrite, 0,
            "Delete the SA and send EXPIRE NUMBER seconds after it was added."},
    Keyword{"hard_usetime", kLimit<&S::hard_usetime, &Message::hard, &Lifetime::usetime>, kWrite, 0,
            "Delete the SA and send EXPIRE NUMBER seconds after its first use."},
    Keyword{"hard_alloc hard_packets", kLimit<&S::hard_alloc, &Message::hard, &Lifetime::allocations>, kWrite, 0,
            "Delete the SA and send EXPIRE after NUMBER allocations."},
    Keyword{"idle_addtime", kLimit<&S::idle_addtime, &Message::idle, &Lifetime::addtime>, kWrite, 0,
            "Send EXPIRE after NUMBER seconds without use; half of hard_addtime if omitted."},
    Keyword{"idle_usetime", kLimit<&S::idle_usetime, &Message::idle, &Lifetime::usetime>, kWrite, 0,
            "Like idle_addtime, for an SA that has already been used."},
    Keyword{"srcidtype", kIdentity<&S::src_identity, &Message::src_identity>, kWrite, 0,
            "Identity of the source: its type and its text."},
    Keyword{"dstidtype", kIdentity<&S::dst_identity, &Message::dst_identity>, kWrite, 0,
            "Identity of the destination: its type and its text."},
    Keyword{"label", kLabel<&S::label, &Message::sensitivity, 0>, kWrite, 0, "Sensitivity label of the inner traffic."},
    Keyword{"outer-label", kLabel<&S::outer_label, &Message::outer_sensitivity, 0>, kWrite, 0,
            "Sensitivity label of the protected packets."},
    Keyword{"implicit-label", kLabel<&S::implicit_label, &Message::outer_sensitivity, pfkey::kSensImplicit>, kWrite, 0,
            "Sensitivity label of the protected packets, which do not carry it."},
    Keyword{"reqid", kNumber<&Message::reqid>, kWrite, 0,
            "Request ID that ties the SA to the templates of Linux policies."},
    Keyword{"bundle", kNumber<&Message::bundle>, kWrite, 0,
            "Number that an AH and an ESP SA share to protect the same packets: ESP inside, AH outside."},
    Keyword{"mark", kWhole<&S::mark, &Message::mark>, kAll, 0,
            "Mark of the packets that the SA protects; in the kernel it is part of the SA's identity."},
    Keyword{"output-mark", kWhole<&S::output_mark, &Message::output_mark, pfkey::Mark{0, 0}>, kWrite, 0,
            "Mark that packets carry after the SA has processed them."},
    Keyword{"dev", kWhole<&S::device, &Message::device>, kWrite, 0,
            "Network device through which the SA's traffic arrives or leaves."},
    Keyword{"if_id", kNumber<&Message::if_id>, kWrite, 0, "Number of the XFRM interface that the SA belongs to."},
    Keyword{"esn", kEsn, kWrite, 0, "Use 64-bit extended sequence numbers."},
    Keyword{"align8",
            kAlign8,
            kWrite,
            0,
            "Pad AH to a multiple of 8 bytes under IPv4, as Linux does by default; of 4 (RFC 4302) if omitted.",
            {},
            SaType::ah},
    Keyword{"offload", kWhole<&S::offload, &Message::offload>, kWrite, 0, "Offload the SA to a network device."},
    // PF_KEY has them, a manual key cannot: named so that the refusal can be plain.
    Keyword{"flags current_alloc current_bytes current_addtime current_usetime dpd sens_level sens_map integ_level "
            "integ_map",
            &S::unusable, 0, 0, "Not for manual keys."},
};

using Index = table::Index<kTable>;

consteval bool in_step_with_extensions() {
  for (const Keyword& row : kTable)
    if (row.joint.own && row.joint.own->kept && !row.joint.own->kept->keyword.empty() &&
        row.joint.own->kept->keyword != row.name())
      return false;
  return std::ranges::all_of(pfkey::kExtensions, [](const pfkey::Extension& extension) {
    return !is_plain(extension) ||
           std::ranges::any_of(kTable, [&](const Keyword& row) { return row.joint.own == &extension; });
  });
}
static_assert(in_step_with_extensions(),
              "a plain number of an SA has no keyword, or not the one that its extension names");

// Calls f<row>() for each row, so that each function of a Joint can be inlined.
template <class F>
void for_each_row(F f) {
  [&]<std::size_t... row>(std::index_sequence<row...>) {
    (f.template operator()<row>(), ...);
  }(std::make_index_sequence<kTable.size()>());
}

}  // namespace

constexpr table::Table kKeywordTable = Index::table();

std::span<const Keyword> keywords() { return kTable; }

const Keyword& keyword_for(const Slot& slot) {
  return *std::ranges::find(kTable, slot, &Keyword::slot);  // Every member has a row: save_test has them all.
}

KeywordSet bit(const Keyword& row) { return KeywordSet::of(static_cast<std::size_t>(&row - kTable.data())); }

KeywordSet required_for(Verb verb) {
  static constexpr auto kRequired = [] {
    std::array<KeywordSet, kVerbs> sets{};
    for (std::size_t v = 0; v < kVerbs; ++v) sets[v] = Index::required(bit(static_cast<Verb>(v)));
    return sets;
  }();
  return kRequired[static_cast<std::size_t>(verb)];
}

KeywordMatch find_keyword(std::string_view name) {
  const table::Match match = Index::find(name);
  return match.row ? KeywordMatch{&kTable[match.number], match.v6_only} : KeywordMatch{};
}

void put_joined(SaSpec& spec, Put which, pfkey::Message& m) {
  for_each_row([&]<std::size_t row>() {
    constexpr bool kNames = (kTable[row].used & kFinders) != 0;
    if constexpr (constexpr auto kPut = kTable[row].joint.put; kPut != nullptr)
      if (kNames || which == Put::all) kPut(spec, m);
  });
}

void take_joined(const pfkey::Message& m, SaSpec& spec) {
  for_each_row([&]<std::size_t row>() {
    if constexpr (constexpr auto kTake = kTable[row].joint.take; kTake != nullptr) kTake(m, spec);
  });
}

void settle_joined(SaSpec& spec) {
  for_each_row([&]<std::size_t row>() {
    if constexpr (constexpr auto kSettle = kTable[row].joint.settle; kSettle != nullptr) kSettle(spec);
  });
}

}  // namespace ipseckey::lang
