#pragma once
/// PF_KEY messages to bytes and back. The wire form is in doc/reference/pf-key.md; the facts are RFC 2367's and
/// Solaris'.
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

inline constexpr std::size_t kHeaderSize = 16;             ///< Bytes.
inline constexpr std::size_t kMaxMessageSize = 65535 * 8;  ///< Bytes: the length field counts 64-bit words.

/// Why bytes are not a message, in the terms of the error reply that PF_KEY owes the sender.
struct Malformed {
  std::uint8_t error;  ///< errno: EINVAL or EMSGSIZE.
  Diagnostic diagnostic;
  std::string text;  ///< For a log; holds no byte of the message.
  Message header;    ///< As far as it could be read; default when not even that.
};

/// One whole message. Extensions come in any order; unknown ones, repeated ones and short ones are Malformed.
/// The caller wipes `wire`, which may hold keys.
std::expected<Message, Malformed> decode(Bytes wire);

/// Writes m to the front of out and returns its size in bytes, a multiple of 8. Fails when it does not fit,
/// and, with Errc::invalid and a text that names the extension, when the receiver would read something else: a key that
/// is not as long as its bits say (and in GET and DUMP those of its salt), a text with a NUL inside, a list that is
/// longer than its number can say.
/// The caller wipes `out`, which may hold keys.
Result<std::size_t> encode(const Message& m, MutableBytes out);

}  // namespace ipseckey::pfkey
