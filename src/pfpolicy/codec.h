#pragma once
/// PF_POLICY messages to bytes and back.
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "pfpolicy/message.h"

namespace ipseckey::pfpolicy {

inline constexpr std::uint8_t kVersion = 1;                ///< The first byte; that of PF_KEY is 2.
inline constexpr std::size_t kHeaderSize = 16;             ///< Bytes.
inline constexpr std::size_t kMaxMessageSize = 65535 * 8;  ///< Bytes: the length field counts 64-bit words.

/// Why bytes are not a message, in the terms of the error reply.
struct Malformed {
  std::uint8_t error = 0;  ///< errno: EINVAL, EMSGSIZE, or EPROTONOSUPPORT for another version.
  Diagnostic diagnostic = Diagnostic::none;
  Message header;  ///< As far as it could be read.
};

/// One whole message. Extensions come in any order; unknown, repeated and short ones are Malformed.
std::expected<Message, Malformed> decode(Bytes wire);

/// Writes m to the front of out and returns its size in bytes, a multiple of 8. Error invalid: it does not fit, or the
/// receiver would read something else: a text with a NUL inside, more attributes than a number can say.
Result<std::size_t> encode(const Message& m, MutableBytes out);

}  // namespace ipseckey::pfpolicy
