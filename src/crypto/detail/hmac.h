#pragma once
/// HMAC (RFC 2104) with the library's digests, without allocating memory per message.
#include <memory>

#include "crypto/detail/mac.h"

namespace ipseckey::crypto {

/// nullptr: the library has no such digest. `algorithm` is one of Mode::hmac.
std::unique_ptr<Mac> make_hmac(const pfkey::Algorithm& algorithm, Bytes key);

}  // namespace ipseckey::crypto
