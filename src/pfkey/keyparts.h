#pragma once
/// What a key extension is made of: the key itself, the salt of a combined cipher, an explicit IV.
#include "base/bytes.h"
#include "pfkey/algorithms.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// Views into a Key's material; sizes in bits. Parts that are not there are empty.
struct KeyParts {
  Bytes key, salt, iv;
  unsigned key_bits = 0, salt_bits = 0, iv_bits = 0;
};

/// Takes m.auth_key (kind auth) or m.encrypt_key (kind encrypt) apart, which must be there. GET and DUMP replies say
/// where the salt starts; for other messages the algorithm in m.sa does. Sizes that contradict one another give the
/// whole material as the key.
KeyParts split_key(const Message& m, AlgorithmKind kind);

}  // namespace ipseckey::pfkey
