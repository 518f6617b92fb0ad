#include "crypto/detail/evp.h"

#include <fmt/format.h>
#include <openssl/provider.h>

#include <algorithm>
#include <array>

namespace crypto {
namespace {

// One DES is three with one key; so it needs no legacy provider.
struct Name {
  std::uint8_t number;
  const char* pattern;  ///< {}: bits of the key.
  bool legacy = false;  ///< Of the legacy provider.
};
constexpr std::array kCiphers = {
    Name{2, "DES-EDE3-CBC"}, Name{3, "DES-EDE3-CBC"},       Name{7, "BF-CBC", true}, Name{12, "AES-{}-CBC"},
    Name{13, "AES-{}-CTR"},  Name{14, "AES-{}-CCM"},        Name{15, "AES-{}-CCM"},  Name{16, "AES-{}-CCM"},
    Name{18, "AES-{}-GCM"},  Name{19, "AES-{}-GCM"},        Name{20, "AES-{}-GCM"},  Name{22, "CAMELLIA-{}-CBC"},
    Name{23, "AES-{}-GCM"},  Name{31, "ChaCha20-Poly1305"},
};

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

CipherPtr cipher_named(const char* name) { return CipherPtr(EVP_CIPHER_fetch(library(), name, nullptr)); }

CipherPtr cipher_of(const pfkey::Algorithm& row, std::size_t key_bytes) {
  for (const Name& name : kCiphers)
    if (name.number == row.number) return cipher_named(fmt::format(fmt::runtime(name.pattern), key_bytes * 8).c_str());
  return nullptr;
}

bool of_legacy_provider(const pfkey::Algorithm& row) {
  return std::ranges::any_of(kCiphers, [&](const Name& name) { return name.legacy && name.number == row.number; });
}

}  // namespace crypto
