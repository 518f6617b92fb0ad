#include "lang/json_places.h"

#include <algorithm>
#include <array>

namespace ipseckey::lang {
namespace {

using S = SaSpec;

struct Row {
  Slot slot;
  std::string_view places;
};

// Keywords that are part of an extension. For faults: what is read is in pfkey/json_fields.h.
constexpr std::array kTable = {
    Row{&S::spi, "/spi"},
    Row{&S::pair_spi, "/pair/spi"},
    Row{&S::inbound, "/flag_names /flags"},
    Row{&S::outbound, "/flag_names /flags"},
    Row{&S::src, "/src/address"},
    Row{&S::dst, "/dst/address"},
    Row{&S::sport, "/src/port"},
    Row{&S::dport, "/dst/port"},
    Row{&S::proto, "/dst/proto /src/proto"},
    Row{&S::inner_src, "/inner_src/address"},
    Row{&S::inner_dst, "/inner_dst/address"},
    Row{&S::inner_sport, "/inner_src/port"},
    Row{&S::inner_dport, "/inner_dst/port"},
    Row{&S::inner_proto, "/inner_src/proto /inner_dst/proto"},
    Row{&S::icmp_type, "/inner_src/port /src/port"},
    Row{&S::icmp_code, "/inner_dst/port /dst/port"},
    Row{&S::encap, "/nat_rem /nat_loc"},
    Row{&S::nat_local, "/nat_loc/address"},
    Row{&S::nat_local_port, "/nat_loc/port"},
    Row{&S::nat_remote, "/nat_rem/address"},
    Row{&S::nat_remote_port, "/nat_rem/port"},
    Row{&S::encrypt, "/encr_alg"},
    Row{&S::reserved_bits, "/initial_iv /encr_key/iv"},
    Row{&S::encrypt_key, "/encr_key"},
    Row{&S::auth, "/auth_alg"},
    Row{&S::auth_key, "/auth_key"},
    Row{&S::replay, "/replay_window"},
    Row{&S::replay_value, "/replay_value"},
    Row{&S::state, "/state"},
    Row{&S::soft_bytes, "/soft/bytes"},
    Row{&S::soft_addtime, "/soft/addtime"},
    Row{&S::soft_usetime, "/soft/usetime"},
    Row{&S::soft_alloc, "/soft/allocations"},
    Row{&S::hard_bytes, "/hard/bytes"},
    Row{&S::hard_addtime, "/hard/addtime"},
    Row{&S::hard_usetime, "/hard/usetime"},
    Row{&S::hard_alloc, "/hard/allocations"},
    Row{&S::idle_addtime, "/idle/addtime"},
    Row{&S::idle_usetime, "/idle/usetime"},
    Row{&S::src_identity, "/src_identity"},
    Row{&S::dst_identity, "/dst_identity"},
    Row{&S::label, "/label"},
    Row{&S::outer_label, "/outer_label"},
    Row{&S::implicit_label, "/outer_label"},
    Row{&S::esn, "/esn"},
    Row{&S::align8, "/ah_align"},
};

}  // namespace

std::string json_places(const Keyword& row) {
  if (row.joint.own) return std::string("/").append(row.joint.own->shown.json);
  const auto* const found = std::ranges::find(kTable, row.slot, &Row::slot);
  return found == kTable.end() ? std::string() : std::string(found->places);
}

}  // namespace ipseckey::lang
