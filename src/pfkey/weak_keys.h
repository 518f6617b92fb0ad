#pragma once
/// What DES asks of its keys: odd parity in every octet, and none of the weak ones (FIPS 74 section 3.6).
#include <cstdint>

#include "base/bytes.h"

namespace pfkey {

/// Sets the low bit of each octet so that its number of ones is odd.
void correct_parity(MutableBytes key);

/// Whether the cipher of that number is DES or triple DES.
bool has_parity(std::uint8_t cipher);

/// Whether the cipher of that number should not be given the key that the material begins with, whose parity is
/// correct. Of other ciphers no key is weak.
bool weak_key(std::uint8_t cipher, Bytes material);

/// Whether an 8-octet key with correct parity is one of the 4 weak or 12 semi-weak ones.
bool weak_des(Bytes key);

/// Whether a 24-octet key with correct parity amounts to single DES (K1 = K2 or K2 = K3), or two or more of its three
/// keys are weak. K1 = K3, the two-key form, is not weak.
bool weak_triple_des(Bytes key);

}  // namespace pfkey
