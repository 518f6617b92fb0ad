#pragma once
/// What DES asks of its keys: odd parity in every octet, and none of the weak ones (FIPS 74 section 3.6).
#include "base/bytes.h"
#include "pfkey/algorithms.h"

namespace ipseckey::pfkey {

/// Sets the low bit of each octet so that its number of ones is odd.
void correct_parity(MutableBytes key);

/// Whether the cipher should not be given the key that the material begins with, whatever its parity: one of the 4 weak
/// or 12 semi-weak ones of DES; of triple DES one that amounts to single DES (K1 = K2 or K2 = K3), or of whose three
/// keys two or more are weak. K1 = K3, the two-key form, is not weak. Of other ciphers no key is weak.
bool weak_key(const Algorithm& cipher, Bytes material);

}  // namespace ipseckey::pfkey
