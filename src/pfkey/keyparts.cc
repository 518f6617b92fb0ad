#include "pfkey/keyparts.h"

namespace ipseckey::pfkey {

KeyParts split_key(const Message& m, AlgorithmKind kind) {
  const bool encrypt = kind == AlgorithmKind::encrypt;
  const Key& whole = encrypt ? *m.encrypt_key : *m.auth_key;
  const Bytes material = whole.material.bytes();
  const bool reply = m.type == Type::get || m.type == Type::dump;

  KeyParts parts;
  if (reply) {
    parts.key_bits = whole.bits;
    parts.salt_bits = whole.reserved;
  } else {
    const Algorithm* algorithm = encrypt && m.sa ? find_algorithm(kind, m.sa->encrypt) : nullptr;
    parts.salt_bits = algorithm ? algorithm->salt_bits : 0;
    parts.iv_bits = whole.reserved;
    parts.key_bits = whole.bits - parts.salt_bits - parts.iv_bits;
  }
  const std::size_t key = (parts.key_bits + 7u) / 8, salt = (parts.salt_bits + 7u) / 8, iv = (parts.iv_bits + 7u) / 8;
  const bool fits = parts.salt_bits + parts.iv_bits < whole.bits || reply;
  if (!fits || key + salt + iv != material.size()) {
    parts = {};
    parts.key = material;
    parts.key_bits = whole.bits;
    return parts;
  }
  parts.key = material.first(key);
  parts.salt = material.subspan(key, salt);
  parts.iv = material.subspan(key + salt);
  return parts;
}

}  // namespace ipseckey::pfkey
