#include "crypto/detail/evp.h"

#include <fmt/format.h>
#include <openssl/provider.h>

#include <string_view>

namespace ipseckey::crypto {
namespace {

constexpr std::string_view kLegacy = "BF-CBC";  // The algorithms of the table that are in the legacy provider.

}  // namespace

OSSL_LIB_CTX* library() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    OSSL_PROVIDER_load(made, "default");
    OSSL_PROVIDER_load(made, "legacy");
    return made;
  }();
  return context;
}

CipherPtr cipher_of(const pfkey::Algorithm& row, std::size_t key_bytes) {
  if (row.library.empty()) return nullptr;
  return CipherPtr(EVP_CIPHER_fetch(library(), fmt::format(fmt::runtime(row.library), key_bytes * 8).c_str(), nullptr));
}

bool of_legacy_provider(const pfkey::Algorithm& row) { return row.library == kLegacy; }

}  // namespace ipseckey::crypto
