#include "pfkey/extensions.h"

#include <array>
#include <concepts>

namespace pfkey {
namespace {

using D = Diagnostic;
constexpr std::array kTable = {
    Extension{1, "SA", &Message::sa, D::duplicate_sa, D::malformed_sa},
    Extension{2, "LIFETIME_CURRENT", &Message::current, D::none, D::none},
    Extension{3, "LIFETIME_HARD", &Message::hard, D::none, D::none},
    Extension{4, "LIFETIME_SOFT", &Message::soft, D::none, D::none},
    Extension{26, "LIFETIME_IDLE", &Message::idle, D::none, D::none},
    Extension{5, "ADDRESS_SRC", &Message::src, D::duplicate_src, D::malformed_src},
    Extension{6, "ADDRESS_DST", &Message::dst, D::duplicate_dst, D::malformed_dst},
    Extension{20, "ADDRESS_NATT_LOC", &Message::natt_local, D::duplicate_natt_loc, D::malformed_natt_loc},
    Extension{21, "ADDRESS_NATT_REM", &Message::natt_remote, D::duplicate_natt_rem, D::malformed_natt_rem},
    Extension{7, "ADDRESS_INNER_SRC", &Message::inner_src, D::duplicate_inner_src, D::malformed_inner_src},
    Extension{22, "ADDRESS_INNER_DST", &Message::inner_dst, D::duplicate_inner_dst, D::malformed_inner_dst},
    Extension{19, "KM_COOKIE", &Message::km_cookie, D::none, D::none},
    Extension{8, "KEY_AUTH", &Message::auth_key, D::duplicate_akey, D::malformed_akey},
    Extension{9, "KEY_ENCRYPT", &Message::encrypt_key, D::duplicate_ekey, D::malformed_ekey},
    Extension{10, "IDENTITY_SRC", &Message::src_identity, D::none, D::none},
    Extension{11, "IDENTITY_DST", &Message::dst_identity, D::none, D::none},
    Extension{12, "SENSITIVITY", &Message::sensitivity, D::none, D::none},
    Extension{27, "OUTER_SENS", &Message::outer_sensitivity, D::none, D::none},
    Extension{23, "PAIR", &Message::pair, D::none, D::none},
    Extension{24, "REPLAY_VALUE", &Message::replay_value, D::none, D::none},
    Extension{13, "PROPOSAL", &Message::proposal, D::none, D::none},
    Extension{18, "EPROP", &Message::extended_proposal, D::none, D::none},
    Extension{14, "SUPPORTED_AUTH", &Message::supported_auth, D::none, D::none},
    Extension{15, "SUPPORTED_ENCRYPT", &Message::supported_encrypt, D::none, D::none},
    Extension{16, "SPIRANGE", &Message::spi_range, D::duplicate_range, D::malformed_range},
    Extension{17, "EREG", &Message::extended_register, D::none, D::none},
    Extension{25, "EDUMP", &Message::extended_dump, D::none, D::none},
    Extension{0x80, "INITIAL_IV", &Message::initial_iv, D::none, D::none},
    Extension{0x81, "REQID", &Message::reqid, D::none, D::none, "reqid", "reqid", "{}"},
    Extension{0x82, "MARK", &Message::mark, D::none, D::none, "mark", "mark", "{:#x}/{:#x}"},
    Extension{0x83, "IF_ID", &Message::if_id, D::none, D::none, "if_id", "if_id", "{:#x}"},
    Extension{0x84, "REPLAY_WINDOW", &Message::replay_window, D::none, D::none},
    Extension{0x88, "AH_ALIGN", &Message::ah_align, D::none, D::none, "ah_align", "align",
              "AH is a multiple of {} bytes"},
    Extension{0x89, "ICV", &Message::icv, D::none, D::none, "icv_bits", "icv", "{} bits"},
    Extension{0x85, "OFFLOAD", &Message::offload, D::none, D::none, "offload", "offload", "{} {}"},
    Extension{0x86, "REMARK", &Message::remark, D::none, D::none},
    Extension{0x87, "TRAFFIC", &Message::traffic, D::none, D::none},
};

consteval bool unique_ids() {
  for (const Extension& a : kTable)
    for (const Extension& b : kTable)
      if (&a != &b && a.id == b.id) return false;
  return true;
}
static_assert(unique_ids());

}  // namespace

std::span<const Extension> extensions() { return kTable; }

Message Message::clone() const {
  Message copy = header();
  for (const Extension& row : extensions())
    std::visit(
        [&](auto member) {
          if (!(this->*member)) return;
          if constexpr (std::same_as<decltype(member), std::optional<Key> Message::*>) {
            copy.*member = (this->*member)->clone();
          } else {
            copy.*member = this->*member;
          }
        },
        row.slot);
  return copy;
}

}  // namespace pfkey
