#include "pfkey/diagnostics.h"

#include <array>

namespace ipseckey::pfkey {
namespace {

struct Row {
  Diagnostic code;
  std::string_view name;
  std::string_view text;
};

using D = Diagnostic;
constexpr std::array kTable = {
    Row{D::none, "NONE", "no further information"},
    Row{D::unknown_msg, "UNKNOWN_MSG", "the message type is unknown"},
    Row{D::unknown_ext, "UNKNOWN_EXT", "an extension type is unknown"},
    Row{D::bad_extlen, "BAD_EXTLEN", "an extension's length is zero or runs past the message"},
    Row{D::unknown_satype, "UNKNOWN_SATYPE", "this SA type is not supported"},
    Row{D::satype_needed, "SATYPE_NEEDED", "an SA type is needed: ah or esp"},
    Row{D::no_sadbs, "NO_SADBS", "no SA type is supported at all"},
    Row{D::no_ext, "NO_EXT", "this message takes no extensions"},
    Row{D::bad_src_af, "BAD_SRC_AF", "the source is neither IPv4 nor IPv6"},
    Row{D::bad_dst_af, "BAD_DST_AF", "the destination is neither IPv4 nor IPv6"},
    Row{D::bad_inner_src_af, "BAD_INNER_SRC_AF", "the inner source is neither IPv4 nor IPv6"},
    Row{D::af_mismatch, "AF_MISMATCH", "source and destination are of different address families"},
    Row{D::bad_src, "BAD_SRC", "the source is a multicast or broadcast address"},
    Row{D::bad_dst, "BAD_DST", "the destination is unspecified or cannot be used"},
    Row{D::alloc_hserr, "ALLOC_HSERR", "the soft limit of allocations is above the hard one"},
    Row{D::bytes_hserr, "BYTES_HSERR", "the soft limit of bytes is above the hard one"},
    Row{D::addtime_hserr, "ADDTIME_HSERR", "the soft or idle limit of seconds after the add is above a longer one"},
    Row{D::usetime_hserr, "USETIME_HSERR", "the soft or idle limit of seconds after first use is above a longer one"},
    Row{D::missing_src, "MISSING_SRC", "a source address is needed"},
    Row{D::missing_dst, "MISSING_DST", "a destination address is needed"},
    Row{D::missing_sa, "MISSING_SA", "SA parameters are needed"},
    Row{D::missing_ekey, "MISSING_EKEY", "an encryption key is needed"},
    Row{D::missing_akey, "MISSING_AKEY", "an authentication key is needed"},
    Row{D::missing_range, "MISSING_RANGE", "an SPI range is needed"},
    Row{D::duplicate_src, "DUPLICATE_SRC", "the source appears twice"},
    Row{D::duplicate_dst, "DUPLICATE_DST", "the destination appears twice"},
    Row{D::duplicate_sa, "DUPLICATE_SA", "the SA parameters appear twice"},
    Row{D::duplicate_ekey, "DUPLICATE_EKEY", "the encryption key appears twice"},
    Row{D::duplicate_akey, "DUPLICATE_AKEY", "the authentication key appears twice"},
    Row{D::duplicate_range, "DUPLICATE_RANGE", "the SPI range appears twice"},
    Row{D::malformed_src, "MALFORMED_SRC", "the source is malformed"},
    Row{D::malformed_dst, "MALFORMED_DST", "the destination is malformed"},
    Row{D::malformed_sa, "MALFORMED_SA", "the SA parameters are malformed"},
    Row{D::malformed_ekey, "MALFORMED_EKEY", "the encryption key is malformed, empty or all zero"},
    Row{D::malformed_akey, "MALFORMED_AKEY", "the authentication key is malformed, empty or all zero"},
    Row{D::malformed_range, "MALFORMED_RANGE", "the SPI range is malformed, or its minimum is above its maximum"},
    Row{D::akey_present, "AKEY_PRESENT", "an authentication key is not allowed here: the SA already has its keys"},
    Row{D::ekey_present, "EKEY_PRESENT", "an encryption key is not allowed here"},
    Row{D::prop_present, "PROP_PRESENT", "a proposal is not allowed here"},
    Row{D::supp_present, "SUPP_PRESENT", "a list of supported algorithms is not allowed here"},
    Row{D::bad_aalg, "BAD_AALG", "the authentication algorithm is unknown or cannot be used"},
    Row{D::bad_ealg, "BAD_EALG", "the encryption algorithm is unknown or cannot be used"},
    Row{D::bad_saflags, "BAD_SAFLAGS", "SA flags are set that must not be set here"},
    Row{D::bad_sastate, "BAD_SASTATE", "this SA state cannot be set"},
    Row{D::bad_akeybits, "BAD_AKEYBITS", "the authentication key has the wrong length"},
    Row{D::bad_ekeybits, "BAD_EKEYBITS", "the encryption key has the wrong length"},
    Row{D::encr_notsupp, "ENCR_NOTSUPP", "this SA type cannot encrypt"},
    Row{D::weak_ekey, "WEAK_EKEY", "the encryption key is weak"},
    Row{D::weak_akey, "WEAK_AKEY", "the authentication key is weak"},
    Row{D::duplicate_kmp, "DUPLICATE_KMP", "the SA belongs to another key-management protocol"},
    Row{D::duplicate_kmc, "DUPLICATE_KMC", "the SA carries another key-management cookie"},
    Row{D::missing_natt_loc, "MISSING_NATT_LOC", "the local NAT-traversal address is missing"},
    Row{D::missing_natt_rem, "MISSING_NATT_REM", "the remote NAT-traversal address is missing"},
    Row{D::duplicate_natt_loc, "DUPLICATE_NATT_LOC", "the local NAT-traversal address appears twice"},
    Row{D::duplicate_natt_rem, "DUPLICATE_NATT_REM", "the remote NAT-traversal address appears twice"},
    Row{D::malformed_natt_loc, "MALFORMED_NATT_LOC", "the local NAT-traversal address cannot be used"},
    Row{D::malformed_natt_rem, "MALFORMED_NATT_REM", "the remote NAT-traversal address cannot be used"},
    Row{D::duplicate_natt_ports, "DUPLICATE_NATT_PORTS", "the NAT-traversal ports appear twice"},
    Row{D::missing_inner_src, "MISSING_INNER_SRC", "an inner source address is needed"},
    Row{D::missing_inner_dst, "MISSING_INNER_DST", "an inner destination address is needed"},
    Row{D::duplicate_inner_src, "DUPLICATE_INNER_SRC", "the inner source appears twice"},
    Row{D::duplicate_inner_dst, "DUPLICATE_INNER_DST", "the inner destination appears twice"},
    Row{D::malformed_inner_src, "MALFORMED_INNER_SRC", "the inner source is malformed"},
    Row{D::malformed_inner_dst, "MALFORMED_INNER_DST", "the inner destination is malformed"},
    Row{D::prefix_inner_src, "PREFIX_INNER_SRC", "the inner source's prefix length is out of range"},
    Row{D::prefix_inner_dst, "PREFIX_INNER_DST", "the inner destination's prefix length is out of range"},
    Row{D::bad_inner_dst_af, "BAD_INNER_DST_AF", "the inner destination is neither IPv4 nor IPv6"},
    Row{D::inner_af_mismatch, "INNER_AF_MISMATCH",
        "the inner addresses are of different families, or do not suit the protocol"},
    Row{D::bad_natt_rem_af, "BAD_NATT_REM_AF", "the remote NAT-traversal address is not IPv4"},
    Row{D::bad_natt_loc_af, "BAD_NATT_LOC_AF", "the local NAT-traversal address is not IPv4"},
    Row{D::proto_mismatch, "PROTO_MISMATCH", "source and destination name different protocols"},
    Row{D::inner_proto_mismatch, "INNER_PROTO_MISMATCH", "inner source and destination name different protocols"},
    Row{D::dual_port_sets, "DUAL_PORT_SETS", "both inner and outer ports are given"},
    Row{D::pair_inappropriate, "PAIR_INAPPROPRIATE", "these two SAs cannot be a pair"},
    Row{D::pair_add_mismatch, "PAIR_ADD_MISMATCH", "the pair's addresses do not correspond"},
    Row{D::pair_already, "PAIR_ALREADY", "the SA already has a pair"},
    Row{D::pair_sa_notfound, "PAIR_SA_NOTFOUND", "the SA has no pair"},
    Row{D::bad_sa_direction, "BAD_SA_DIRECTION", "the SA's direction does not fit"},
    Row{D::sa_notfound, "SA_NOTFOUND", "there is no such SA"},
    Row{D::sa_expired, "SA_EXPIRED", "the SA has expired"},
    Row{D::bad_ctx, "BAD_CTX", "the crypto library refuses this algorithm or key"},
    Row{D::invalid_replay, "INVALID_REPLAY", "the replay value cannot be accepted"},
    Row{D::missing_lifetime, "MISSING_LIFETIME", "the current lifetime cannot be given in an update"},
    Row{D::bad_label, "BAD_LABEL", "this system has no label policy, so SAs take no labels"},
    Row{D::missing_astr, "MISSING_ASTR", "a string key is needed"},
    Row{D::duplicate_astr, "DUPLICATE_ASTR", "the string key appears twice"},
    Row{D::malformed_astr, "MALFORMED_ASTR", "the string key is malformed"},
};

consteval bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].code) != i) return false;
  return kTable.size() == kDiagnosticMax + 1;
}
static_assert(in_order(), "one row for each code, in the order of the numbers");

}  // namespace

std::string_view text_of(Diagnostic code) {
  const auto i = static_cast<std::size_t>(code);
  return i < kTable.size() ? kTable[i].text : "unknown diagnostic code";
}

std::string_view name_of(Diagnostic code) {
  const auto i = static_cast<std::size_t>(code);
  return i < kTable.size() ? kTable[i].name : "UNKNOWN";
}

}  // namespace ipseckey::pfkey
