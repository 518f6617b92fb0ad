#pragma once
/// Several messages in one packet of a socket, one behind the other, between an ipsecd and a client that have both
/// shown that they understand it: by the field `reserved` of headers (doc/reference/pf-key.md, Packets of several
/// messages). PF_POLICY has the same lengths and the same field in its headers, so all this is true of its messages,
/// too.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ipseckey::pfkey::packs {

/// In a request: the client takes packets of several messages.
inline constexpr std::uint16_t kClient = 0x504b;
/// In a message of ipsecd with errno 0, to a client that has shown kClient: ipsecd takes them, too. Another number, so
/// that a program that echoes the header of a request does not seem to.
inline constexpr std::uint16_t kServer = 0x504c;

inline constexpr std::size_t kFull = 32 * 1024;  ///< Bytes: a packet that has as many gets no further message.
inline constexpr std::size_t kMost = 64 * 1024;  ///< Bytes that a packet of several messages may have.

/// The size in bytes of the first message of a packet: as its header says, or all of the packet if the header is cut
/// off or says what cannot be. Then decode() says what is wrong with it.
std::size_t first_size(Bytes packet);

/// The field `reserved` of a message; 0 if its header is cut off.
std::uint16_t mark_of(Bytes message);
/// The message has a whole header.
void set_mark(MutableBytes message, std::uint16_t mark);

}  // namespace ipseckey::pfkey::packs
