#include "lang/detail/rule_view.h"

#include <fmt/format.h>

#include "lang/key_text.h"

namespace ipseckey::lang {
namespace {

// Appended to a length that would be right if each digit were a character.
std::string if_text(const pfkey::Algorithm& a, unsigned bits_of_text) {
  return a.material_fits(bits_of_text, 0) ? fmt::format(": {}", kConvertText) : "";
}

}  // namespace

bool wrong_auth_key(const RuleView& v) {
  return v.auth && v.spec.auth_key && !v.auth->key_works(v.spec.auth_key->bits);
}
std::string auth_key_sizes(const RuleView& v) {
  const std::string others =
      v.auth->mode == pfkey::Mode::hmac ? fmt::format(", or at least {} in whole octets", pfkey::kLeastHmacBits) : "";
  return fmt::format("{} needs a key of {}{}; {} bits were given{}", v.auth->name(), key_sizes(*v.auth), others,
                     v.spec.auth_key->bits, if_text(*v.auth, v.spec.auth_key->bits * 2));
}
bool unusual_auth_key(const RuleView& v) {
  return v.auth && v.spec.auth_key && !v.auth->key_fits(v.spec.auth_key->bits) && !wrong_auth_key(v);
}
std::string unusual_size(const RuleView& v) {
  return fmt::format("{} takes keys of {} ({}); {} bits were given, and not every peer accepts that{}", v.auth->name(),
                     key_sizes(*v.auth), v.auth->source, v.spec.auth_key->bits,
                     if_text(*v.auth, v.spec.auth_key->bits * 2));
}

unsigned reserved_bits(const RuleView& v) { return v.spec.reserved_bits ? v.spec.reserved_bits->value : 0; }
bool wrong_encrypt_key(const RuleView& v) {
  if (!v.encrypt || !v.encrypt->takes_key() || !v.spec.encrypt_key) return false;
  return !v.encrypt->material_fits(v.spec.encrypt_key->bits, reserved_bits(v));
}
std::string encrypt_key_sizes(const RuleView& v) {
  const unsigned given = v.spec.encrypt_key->bits;
  const std::string iv = reserved_bits(v) ? fmt::format(" and the {} reserved bits", reserved_bits(v)) : "";
  return fmt::format("{} needs a key of {}{}; {} bits were given{}", v.encrypt->name(), key_sizes(*v.encrypt), iv,
                     given, iv.empty() ? if_text(*v.encrypt, given * 2) : "");
}

}  // namespace ipseckey::lang
