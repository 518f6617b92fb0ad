#pragma once
/// THE table of PF_KEY diagnostic codes (sadb_x_msg_diagnostic).
#include <cstdint>
#include <string>
#include <string_view>

namespace ipseckey::pfkey {

/// Names as in Solaris' net/pfkeyv2.h, prefix SADB_X_DIAGNOSTIC_.
enum class Diagnostic : std::uint16_t {
  none,
  unknown_msg,
  unknown_ext,
  bad_extlen,
  unknown_satype,
  satype_needed,
  no_sadbs,
  no_ext,
  bad_src_af,
  bad_dst_af,
  bad_inner_src_af,
  af_mismatch,
  bad_src,
  bad_dst,
  alloc_hserr,
  bytes_hserr,
  addtime_hserr,
  usetime_hserr,
  missing_src,
  missing_dst,
  missing_sa,
  missing_ekey,
  missing_akey,
  missing_range,
  duplicate_src,
  duplicate_dst,
  duplicate_sa,
  duplicate_ekey,
  duplicate_akey,
  duplicate_range,
  malformed_src,
  malformed_dst,
  malformed_sa,
  malformed_ekey,
  malformed_akey,
  malformed_range,
  akey_present,
  ekey_present,
  prop_present,
  supp_present,
  bad_aalg,
  bad_ealg,
  bad_saflags,
  bad_sastate,
  bad_akeybits,
  bad_ekeybits,
  encr_notsupp,
  weak_ekey,
  weak_akey,
  duplicate_kmp,
  duplicate_kmc,
  missing_natt_loc,
  missing_natt_rem,
  duplicate_natt_loc,
  duplicate_natt_rem,
  malformed_natt_loc,
  malformed_natt_rem,
  duplicate_natt_ports,
  missing_inner_src,
  missing_inner_dst,
  duplicate_inner_src,
  duplicate_inner_dst,
  malformed_inner_src,
  malformed_inner_dst,
  prefix_inner_src,
  prefix_inner_dst,
  bad_inner_dst_af,
  inner_af_mismatch,
  bad_natt_rem_af,
  bad_natt_loc_af,
  proto_mismatch,
  inner_proto_mismatch,
  dual_port_sets,
  pair_inappropriate,
  pair_add_mismatch,
  pair_already,
  pair_sa_notfound,
  bad_sa_direction,
  sa_notfound,
  sa_expired,
  bad_ctx,
  invalid_replay,
  missing_lifetime,
  bad_label,
  missing_astr,
  duplicate_astr,
  malformed_astr
};
inline constexpr std::uint16_t kDiagnosticMax = 86;

/// What the code says, for a person: a clause without a full stop. "unknown diagnostic code" beyond the table.
std::string_view text_of(Diagnostic code);

/// The code's PF_KEY name without its prefix: "MISSING_DST".
std::string_view name_of(Diagnostic code);

}  // namespace ipseckey::pfkey
