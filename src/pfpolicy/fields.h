#pragma once
/// The fields of each extension, once, in wire order: what the codec runs with a Reader or with a Writer (Io). A bad
/// value makes the Reader fail.
#include <sys/socket.h>

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "base/bytes.h"
#include "pfpolicy/message.h"

namespace ipseckey::pfpolicy::wire {

template <class Io>
inline constexpr bool kReads = std::same_as<Io, Reader>;

/// Binds to T or const T.
template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

// Solaris has a range, and uses only its begin.
template <class Io>
void fields(Io& io, Is<Port> auto& x) {
  auto last = x.value;
  io.net(x.value);
  io.net(last);
  if constexpr (kReads<Io>)
    if (last != x.value && last != 0) io.fail();
}

template <class Io>
void fields(Io& io, Is<Protocol> auto& x) {
  io.host(x.value);
}

// Bits behind the prefix must be 0: a rule has one form only.
template <class Io>
void fields(Io& io, Is<policy::Prefix> auto& x) {
  auto family = static_cast<std::uint8_t>(x.address.family == Family::v4 ? AF_INET : AF_INET6);
  io.host(family);
  io.host(x.length);
  io.pad(2);
  if constexpr (kReads<Io>) {
    if (family != AF_INET && family != AF_INET6) return io.fail();
    x.address.family = family == AF_INET ? Family::v4 : Family::v6;
    io.bytes(MutableBytes(x.address.octets).first(x.address.size()));
    if (x.length > x.address.bits() || masked(x.address, x.length) != x.address) io.fail();
  } else {
    io.bytes(x.address.bytes());
  }
}

template <class Io>
void fields(Io& io, Is<ActionList> auto& x) {
  auto count = static_cast<std::uint16_t>(x.attributes.size());
  io.host(count);
  io.pad(2);
  if constexpr (kReads<Io>) {
    if (io.remaining() < std::size_t{count} * sizeof(Attribute)) return io.fail();
    x.attributes.resize(count);
  }
  for (auto& a : x.attributes) {
    io.host(a.tag);
    io.host(a.value);
  }
}

template <class Io>
void fields(Io& io, Is<RuleData> auto& x) {
  io.host(x.priority);
  io.host(x.flags);
  io.pad(4);
  io.host(x.index);
}

template <class Io>
void fields(Io& io, Is<Ruleset> auto& x) {
  io.host(x.count);
  io.host(x.version);
}

template <class Io>
void fields(Io& io, Is<TypeCode> auto& x) {
  io.host(x.type);
  io.host(x.type_end);
  io.host(x.code);
  io.host(x.code_end);
  if constexpr (kReads<Io>)
    if (x.type > x.type_end || x.code > x.code_end) io.fail();
}

// The rest, padded with zeros to a whole number of units.
template <class Io>
void text(Io& io, Is<std::string> auto& x) {
  if constexpr (kReads<Io>) {
    const Bytes all = io.take(io.remaining());
    for (const std::byte b : all)
      if (b != std::byte{0}) x.push_back(static_cast<char>(b));
    const auto nul = std::ranges::find(all, std::byte{0});
    if (static_cast<std::size_t>(nul - all.begin()) != x.size()) io.fail();
  } else {
    io.bytes(std::as_bytes(std::span(x)));
  }
}

template <class Io>
void fields(Io& io, Is<Text> auto& x) {
  text(io, x.text);
}

template <class Io>
void fields(Io& io, Is<Dropped> auto& x) {
  io.pad(4);
  io.host(x.packets);
  text(io, x.why);
}

template <class Io>
void fields(Io& io, Is<pfkey::Mark> auto& x) {
  io.host(x.value);
  io.host(x.mask);
}

template <class Io>
void fields(Io& io, Is<pfkey::Number> auto& x) {
  io.host(x.value);
}

}  // namespace ipseckey::pfpolicy::wire
