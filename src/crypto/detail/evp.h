#pragma once
/// Owners for OpenSSL's objects; and a library context of our own, so that other users of the library in this process
/// do not see the legacy provider.
#include <openssl/evp.h>

#include <memory>

#include "base/cast.h"
#include "pfkey/algorithms.h"

namespace ipseckey::crypto {

template <auto free>
struct Free {
  void operator()(auto* p) const { free(p); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>>;
using DigestPtr = std::unique_ptr<EVP_MD, Free<EVP_MD_free>>;
using MacPtr = std::unique_ptr<EVP_MAC, Free<EVP_MAC_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Free<EVP_MAC_CTX_free>>;

/// Created at its first use and never freed. It includes the legacy provider if the system has it.
OSSL_LIB_CTX* library();

/// The library's cipher for a row of the table and a key of that many bytes; null: there is none.
CipherPtr cipher_of(const pfkey::Algorithm& row, std::size_t key_bytes);
/// Whether the algorithm is in the library's legacy provider, which may be missing.
bool of_legacy_provider(const pfkey::Algorithm& row);

/// Octets as the library's type.
inline unsigned char* octets(std::byte* p) { return octets_as<unsigned char>(p); }
inline const unsigned char* octets(const std::byte* p) { return octets_as<unsigned char>(p); }

}  // namespace ipseckey::crypto
