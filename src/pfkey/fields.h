#pragma once
/// The fields of each extension, once, in wire order: what the codec runs with a Reader or with a Writer (Io). A field
/// that is too short or has a bad value makes the Reader fail. Layouts: RFC 2367 section 2.3, Solaris' net/pfkeyv2.h.
#include <sys/socket.h>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey::wire {

/// Binds to T or const T.
template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

template <class Io>
void fields(Io& io, Is<Sa> auto& x) {
  auto state = static_cast<std::uint8_t>(x.state);
  io.net(x.spi);
  io.host(x.replay);
  io.host(state);
  io.host(x.auth);
  io.host(x.encrypt);
  io.host(x.flags);
  if constexpr (std::same_as<Io, Reader>) x.state = static_cast<State>(state);
}

template <class Io>
void fields(Io& io, Is<Lifetime> auto& x) {
  io.host(x.allocations);
  io.host(x.bytes);
  io.host(x.addtime);
  io.host(x.usetime);
}

template <class Io>
void fields(Io& io, Is<KmCookie> auto& x) {
  io.host(x.proto);
  io.host(x.cookie);
}

template <class Io>
void fields(Io& io, Is<Pair> auto& x) {
  io.net(x.spi);
}

template <class Io>
void fields(Io& io, Is<ReplayValue> auto& x) {
  io.host(x.low);
  io.host(x.wide);
}

template <class Io>
void fields(Io& io, Is<SpiRange> auto& x) {
  io.net(x.min);
  io.net(x.max);
  io.pad(4);
  if constexpr (std::same_as<Io, Reader>)
    if (x.min > x.max) io.fail();
}

template <class Io>
void fields(Io& io, Is<ExtendedRegister> auto& x) {
  for (auto& satype : x.satypes) io.host(satype);
}

template <class Io>
void fields(Io& io, Is<ExtendedDump> auto& x) {
  io.pad(4);
  io.host(x.timeout);
}

template <class Io>
void fields(Io& io, Is<Number> auto& x) {
  io.host(x.value);
}

template <class Io>
void fields(Io& io, Is<Mark> auto& x) {
  io.host(x.value);
  io.host(x.mask);
}

template <class Io>
void fields(Io& io, Is<Traffic> auto& x) {
  io.pad(4);
  io.host(x.packets);
  io.host(x.last_use);
  io.host(x.replayed);
  io.host(x.late);
  io.host(x.corrupt);
  io.host(x.mismatched);
  io.host(x.malformed);
}

template <class Io>
void fields(Io& io, Is<ReplayWindow> auto& x) {
  std::uint32_t flags = x.esn;
  io.host(x.window);
  io.host(flags);
  if constexpr (std::same_as<Io, Reader>) {
    if (flags > 1) io.fail();
    x.esn = flags == 1;
  }
}

// sadb_comb and sadb_x_ecomb interleave the two lifetimes.
template <class Io, class L>
void limits(Io& io, L& soft, L& hard) {
  io.host(soft.allocations);
  io.host(hard.allocations);
  io.host(soft.bytes);
  io.host(hard.bytes);
  io.host(soft.addtime);
  io.host(hard.addtime);
  io.host(soft.usetime);
  io.host(hard.usetime);
}

template <class Io>
void fields(Io& io, Is<Combination> auto& x) {
  io.host(x.auth);
  io.host(x.encrypt);
  io.host(x.flags);
  io.host(x.auth_minbits);
  io.host(x.auth_maxbits);
  io.host(x.encrypt_minbits);
  io.host(x.encrypt_maxbits);
  io.host(x.encrypt_saltbits);
  io.pad(3);
  limits(io, x.soft, x.hard);
}

template <class Io>
void fields(Io& io, Is<AlgorithmDescription> auto& x) {
  auto satype = static_cast<std::uint8_t>(x.satype);
  io.host(satype);
  io.host(x.kind);
  io.host(x.algorithm);
  io.host(x.saltbits);
  io.host(x.minbits);
  io.host(x.maxbits);
  if constexpr (std::same_as<Io, Reader>) x.satype = static_cast<SaType>(satype);
}

template <class Io>
void fields(Io& io, Is<SupportedAlgorithm> auto& x) {
  io.host(x.id);
  io.host(x.ivlen);
  io.host(x.minbits);
  io.host(x.maxbits);
  io.host(x.increment);
  io.host(x.saltbits);
}

// Where the wire form depends on a value just read, the two directions differ.

inline void fields(Reader& io, Endpoint& x) {
  std::uint16_t family = 0;
  io.host(x.proto);
  io.host(x.prefix);
  io.pad(2);
  io.host(family);
  io.net(x.port);
  if (family == AF_INET) {
    x.address.family = Family::v4;
  } else if (family == AF_INET6) {
    x.address.family = Family::v6;
    io.pad(4);  // The flow label.
  } else {
    return io.fail();
  }
  io.bytes(MutableBytes(x.address.octets).first(x.address.size()));
  io.pad(x.address.family == Family::v4 ? 8 : 4);
}

inline void fields(Writer& io, const Endpoint& x) {
  const bool v4 = x.address.family == Family::v4;
  io.host(x.proto);
  io.host(x.prefix);
  io.pad(2);
  io.host(static_cast<std::uint16_t>(v4 ? AF_INET : AF_INET6));
  io.net(x.port);
  if (!v4) io.pad(4);
  io.bytes(x.address.bytes());
  io.pad(v4 ? 8 : 4);  // The rest of sockaddr_in; the scope of sockaddr_in6.
}

// Bits that end inside an octet are rounded up to it; the extension may be longer than the key (Solaris leaves room
// for an IV), never shorter. Salt bits of a reply are not in `bits`.
inline std::size_t key_size(const Key& x, bool reply) {
  return (x.bits + 7u) / 8 + (reply ? (x.reserved + 7u) / 8 : 0);
}

inline void fields(Reader& io, Key& x, bool reply) {
  io.host(x.bits);
  io.host(x.reserved);
  const std::size_t size = key_size(x, reply);
  if (size == 0 || size > Secret::kMaxSize || size > io.remaining()) return io.fail();
  x.material = Secret(size);
  io.bytes(x.material.bytes());
}

inline void fields(Writer& io, const Key& x, bool) {
  io.host(x.bits);
  io.host(x.reserved);
  io.bytes(x.material.bytes());
}

// To the terminating NUL, which must be there.
inline void text_field(Reader& io, std::string& text) {
  const Bytes rest = io.take(io.remaining());
  for (const std::byte b : rest) {
    if (b == std::byte{0}) return;
    text.push_back(static_cast<char>(b));
  }
  io.fail();
}

inline void text_field(Writer& io, const std::string& text) {
  io.bytes(std::as_bytes(std::span(text)));
  io.pad(1);
}

inline void fields(Reader& io, Identity& x) {
  std::uint16_t type = 0;
  io.host(type);
  io.pad(2);
  io.host(x.id);
  x.type = static_cast<IdentityType>(type);
  text_field(io, x.text);
}

inline void fields(Writer& io, const Identity& x) {
  io.host(static_cast<std::uint16_t>(x.type));
  io.pad(2);
  io.host(x.id);
  text_field(io, x.text);
}

template <class Io>
void fields(Io& io, Is<Offload> auto& x) {
  auto mode = static_cast<std::uint8_t>(x.mode);
  io.host(mode);
  io.pad(3);
  text_field(io, x.device);
  if constexpr (std::same_as<Io, Reader>) {
    if (mode != 1 && mode != 2) io.fail();
    x.mode = static_cast<Offload::Mode>(mode);
  }
}

template <class Io>
void fields(Io& io, Is<Device> auto& x) {
  text_field(io, x.name);
}

template <class Io>
void fields(Io& io, Is<Remark> auto& x) {
  text_field(io, x.text);
}

inline void fields(Reader& io, Sensitivity& x) {
  std::uint8_t words = 0, integrity_words = 0;
  io.host(x.dpd);
  io.host(x.level);
  io.host(words);
  io.host(x.integrity);
  io.host(integrity_words);
  io.host(x.flags);
  if (io.remaining() != (words + std::size_t{integrity_words}) * 8) return io.fail();
  x.bitmap.resize(words);
  x.integrity_bitmap.resize(integrity_words);
  for (auto& word : x.bitmap) io.host(word);
  for (auto& word : x.integrity_bitmap) io.host(word);
}

inline void fields(Writer& io, const Sensitivity& x) {
  io.host(x.dpd);
  io.host(x.level);
  io.host(static_cast<std::uint8_t>(x.bitmap.size()));
  io.host(x.integrity);
  io.host(static_cast<std::uint8_t>(x.integrity_bitmap.size()));
  io.host(x.flags);
  for (const auto word : x.bitmap) io.host(word);
  for (const auto word : x.integrity_bitmap) io.host(word);
}

// Elements to the end of the extension.
template <class T>
void elements(Reader& io, std::vector<T>& list) {
  while (io.remaining() > 0) fields(io, list.emplace_back());
}
template <class T>
void elements(Writer& io, const std::vector<T>& list) {
  for (const T& x : list) fields(io, x);
}

template <class Io>
void fields(Io& io, Is<Supported> auto& x) {
  io.pad(4);
  elements(io, x.algorithms);
}

template <class Io>
void fields(Io& io, Is<Proposal> auto& x) {
  io.host(x.replay);
  io.pad(3);
  elements(io, x.combinations);
}

inline void fields(Reader& io, ExtendedProposal& x) {
  std::uint16_t count = 0;
  io.host(x.replay);
  io.pad(1);
  io.host(count);
  for (; count > 0 && io.ok(); --count) {
    ExtendedCombination& c = x.combinations.emplace_back();
    std::uint8_t algorithms = 0;
    io.host(algorithms);
    io.pad(1);
    io.host(c.flags);
    io.pad(4);
    limits(io, c.soft, c.hard);
    for (; algorithms > 0 && io.ok(); --algorithms) fields(io, c.algorithms.emplace_back());
  }
  if (io.remaining() > 0) io.fail();
}

inline void fields(Writer& io, const ExtendedProposal& x) {
  io.host(x.replay);
  io.pad(1);
  io.host(static_cast<std::uint16_t>(x.combinations.size()));
  for (const ExtendedCombination& c : x.combinations) {
    io.host(static_cast<std::uint8_t>(c.algorithms.size()));
    io.pad(1);
    io.host(c.flags);
    io.pad(4);
    limits(io, c.soft, c.hard);
    elements(io, c.algorithms);
  }
}

/// One extension after its length and type. `reply`: as GET and DUMP replies write keys, which is another way.
template <class Io, class T>
void extension_fields(Io& io, T& x, bool reply) {
  if constexpr (Is<T, Key>) {
    fields(io, x, reply);
  } else {
    fields(io, x);
  }
}

}  // namespace ipseckey::pfkey::wire
