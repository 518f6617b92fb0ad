#pragma once
/// Reads netlink messages (RFC 3549 section 2.3) and their attributes from untrusted bytes.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace ipseckey::ipsecd {

/// The head of a netlink message, and what follows it.
struct NetlinkPart {
  std::uint16_t type = 0;  ///< Of the message, or the attribute without its flags.
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0, port = 0;
  Bytes payload = {};
};

inline std::size_t netlink_aligned(std::size_t size) { return (size + 3) / 4 * 4; }

/// Calls f(NetlinkPart) for each message of a datagram; stops at one that is truncated.
template <class F>
void each_message(Bytes datagram, F f) {
  constexpr std::size_t kHead = 16;
  while (datagram.size() >= kHead) {
    Reader in(datagram);
    std::uint32_t length = 0;
    NetlinkPart m;
    in.host(length), in.host(m.type), in.host(m.flags), in.host(m.sequence), in.host(m.port);
    if (length < kHead || length > datagram.size()) return;
    m.payload = datagram.first(length).subspan(kHead);
    f(m);
    datagram = datagram.subspan(std::min(datagram.size(), netlink_aligned(length)));
  }
}

/// Calls f(type, value) for each attribute; stops at one that is truncated.
template <class F>
void each_attribute(Bytes attributes, F f) {
  constexpr std::size_t kHead = 4;
  constexpr std::uint16_t kType = 0x3fff;  // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
  while (attributes.size() >= kHead) {
    Reader in(attributes);
    std::uint16_t size = 0, type = 0;
    in.host(size), in.host(type);
    if (size < kHead || size > attributes.size()) return;
    f(static_cast<std::uint16_t>(type & kType), attributes.first(size).subspan(kHead));
    attributes = attributes.subspan(std::min(attributes.size(), netlink_aligned(size)));
  }
}

/// What comes after a message's fixed structure of that size.
inline Bytes after(Bytes payload, std::size_t fixed) { return payload.subspan(std::min(payload.size(), fixed)); }

/// The value of the first attribute of that type; empty: there is none.
inline Bytes attribute_of(Bytes attributes, std::uint16_t type) {
  Bytes found;
  each_attribute(attributes, [&](std::uint16_t t, Bytes value) {
    if (t == type && found.data() == nullptr) found = value;
  });
  return found;
}

/// An integer in host order; 0 if the value is shorter.
template <std::unsigned_integral T>
T number_of(Bytes value) {
  T number = 0;
  Reader(value).host(number);
  return number;
}

}  // namespace ipseckey::ipsecd
