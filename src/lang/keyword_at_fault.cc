#include "lang/keyword_at_fault.h"

#include <algorithm>
#include <array>

namespace ipseckey::lang {

Slot keyword_at_fault(pfkey::Diagnostic diagnostic) {
  using D = pfkey::Diagnostic;
  using S = SaSpec;
  struct Row {
    D diagnostic;
    Slot slot;
  };
  static constexpr std::array kRows = {
      Row{D::bad_src_af, &S::src},
      Row{D::bad_src, &S::src},
      Row{D::missing_src, &S::src},
      Row{D::af_mismatch, &S::src},
      Row{D::bad_dst_af, &S::dst},
      Row{D::bad_dst, &S::dst},
      Row{D::missing_dst, &S::dst},
      Row{D::bad_inner_src_af, &S::inner_src},
      Row{D::missing_inner_src, &S::inner_src},
      Row{D::prefix_inner_src, &S::inner_src},
      Row{D::inner_af_mismatch, &S::inner_src},
      Row{D::bad_inner_dst_af, &S::inner_dst},
      Row{D::missing_inner_dst, &S::inner_dst},
      Row{D::prefix_inner_dst, &S::inner_dst},
      Row{D::dual_port_sets, &S::inner_sport},
      Row{D::proto_mismatch, &S::proto},
      Row{D::alloc_hserr, &S::soft_alloc},
      Row{D::bytes_hserr, &S::soft_bytes},
      Row{D::addtime_hserr, &S::soft_addtime},
      Row{D::usetime_hserr, &S::soft_usetime},
      Row{D::missing_ekey, &S::encrypt},
      Row{D::malformed_ekey, &S::encrypt_key},
      Row{D::ekey_present, &S::encrypt_key},
      Row{D::bad_ekeybits, &S::encrypt_key},
      Row{D::weak_ekey, &S::encrypt_key},
      Row{D::missing_akey, &S::auth},
      Row{D::malformed_akey, &S::auth_key},
      Row{D::akey_present, &S::auth_key},
      Row{D::bad_akeybits, &S::auth_key},
      Row{D::weak_akey, &S::auth_key},
      Row{D::bad_aalg, &S::auth},
      Row{D::bad_ealg, &S::encrypt},
      Row{D::encr_notsupp, &S::encrypt},
      Row{D::bad_ctx, &S::encrypt},
      Row{D::bad_sastate, &S::state},
      Row{D::missing_natt_loc, &S::nat_local},
      Row{D::malformed_natt_loc, &S::nat_local},
      Row{D::bad_natt_loc_af, &S::nat_local},
      Row{D::missing_natt_rem, &S::nat_remote},
      Row{D::malformed_natt_rem, &S::nat_remote},
      Row{D::bad_natt_rem_af, &S::nat_remote},
      Row{D::pair_inappropriate, &S::pair_spi},
      Row{D::pair_add_mismatch, &S::pair_spi},
      Row{D::pair_already, &S::pair_spi},
      Row{D::invalid_replay, &S::replay_value},
      Row{D::bad_label, &S::label},
  };
  const auto row = std::ranges::find(kRows, diagnostic, &Row::diagnostic);
  return row == kRows.end() ? Slot(&S::spi) : row->slot;
}

}  // namespace ipseckey::lang
