#include "base/net.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace ipseckey {

namespace {

unsigned octet(const Address& a, std::size_t i) { return std::to_integer<unsigned>(a.octets[i]); }

// Four numbers up to 255 without leading zeros, which some programs read as octal. A file of a million SAs contains two
// million addresses: inet_pton() takes four times as long.
std::optional<Address> dotted_quad(std::string_view text) {
  constexpr unsigned kNone = 10;
  Address a;
  std::size_t i = 0;
  const auto digit = [&] {
    const unsigned d = i < text.size() ? static_cast<unsigned char>(text[i]) - unsigned{'0'} : kNone;
    return d < kNone ? d : kNone;
  };
  for (std::size_t part = 0; part < 4; ++part) {
    if (part > 0 && (i == text.size() || text[i] != '.')) return std::nullopt;
    if (part > 0) ++i;
    unsigned value = digit();
    if (value == kNone) return std::nullopt;
    for (++i; digit() != kNone; ++i) {
      if (value == 0) return std::nullopt;
      value = value * 10 + digit();
      if (value > 255) return std::nullopt;
    }
    a.octets[part] = static_cast<std::byte>(value);
  }
  if (i != text.size()) return std::nullopt;
  return a;
}

}  // namespace

bool is_unspecified(const Address& a) { return a == unspecified(a.family); }

bool is_loopback(const Address& a) {
  if (a.family == Family::v4) return octet(a, 0) == 127;
  Address one = unspecified(Family::v6);
  one.octets[15] = std::byte{1};
  return a == one;
}

bool is_multicast(const Address& a) {
  if (a.family == Family::v6) return octet(a, 0) == 0xff;
  const bool limited_broadcast = (octet(a, 0) & octet(a, 1) & octet(a, 2) & octet(a, 3)) == 0xff;
  return (octet(a, 0) & 0xf0) == 0xe0 || limited_broadcast;
}

bool is_link_local(const Address& a) {
  if (a.family == Family::v4) return octet(a, 0) == 169 && octet(a, 1) == 254;
  return octet(a, 0) == 0xfe && (octet(a, 1) & 0xc0) == 0x80;
}

Address unmapped(const Address& a) {
  if (a.family == Family::v4) return a;
  for (std::size_t i = 0; i < 12; ++i)
    if (octet(a, i) != (i < 10 ? 0u : 0xffu)) return a;
  Address v4;
  std::ranges::copy(std::span(a.octets).subspan(12), v4.octets.begin());
  return v4;
}

Address masked(const Address& a, unsigned length) {
  Address out = a;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned before = static_cast<unsigned>(i) * 8;
    const unsigned keep = length <= before ? 0 : std::min(length - before, 8u);
    out.octets[i] &= static_cast<std::byte>(0xff00u >> keep);
  }
  return out;
}

std::optional<Address> parse_address(std::string_view text) {
  if (const auto v4 = dotted_quad(text)) return v4;
  std::array<char, INET6_ADDRSTRLEN> z{};
  if (text.size() >= z.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::ranges::copy(text, z.begin());
  Address a;
  a.family = Family::v6;
  if (inet_pton(AF_INET6, z.data(), a.octets.data()) != 1) return std::nullopt;
  return a;
}

std::string to_string(const Address& a) {
  if (a.family == Family::v4) {  // inet_ntop() calls printf.
    std::string text;
    for (std::size_t i = 0; i < 4; ++i) {
      const unsigned n = octet(a, i);
      if (i > 0) text += '.';
      if (n >= 100) text += static_cast<char>('0' + n / 100);
      if (n >= 10) text += static_cast<char>('0' + n / 10 % 10);
      text += static_cast<char>('0' + n % 10);
    }
    return text;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, a.octets.data(), text.data(), text.size());
  return text.data();
}

}  // namespace ipseckey
