#pragma once
/// The kernel's XFRM structures, to and from the project's types. Layouts are those of linux/xfrm.h; additions of newer
/// kernels that the build machine's header lacks are defined here.
#include <linux/in.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/cast.h"
#include "base/net.h"
#include "pfkey/alignment.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

inline constexpr std::uint16_t kSaDirection = 33;  ///< XFRMA_SA_DIR, since Linux 6.10: one octet.
inline constexpr std::uint8_t kDirectionIn = 1, kDirectionOut = 2;
inline constexpr std::uint8_t kOffloadPacket = 4;  ///< XFRM_OFFLOAD_PACKET, since Linux 6.2.
inline constexpr unsigned kAttributes = 40;
inline constexpr std::uint16_t kUdpEncapsulation = 2;  ///< UDP_ENCAP_ESPINUDP, RFC 3948.
using pfkey::alignment_matters;
inline constexpr std::uint8_t kUnknownAlgorithm = 255;  ///< Used for an algorithm without a row in the table.

/// The head of struct xfrm_replay_state_esn; its bitmap of bmp_len words follows.
struct WideReplay {
  std::uint32_t bmp_len, oseq, seq, oseq_hi, seq_hi, replay_window;
};
static_assert(sizeof(WideReplay) == sizeof(xfrm_replay_state_esn));

constexpr std::uint8_t protocol_of(pfkey::SaType type) {
  return type == pfkey::SaType::ah ? IPPROTO_AH : type == pfkey::SaType::esp ? IPPROTO_ESP : 0;
}
/// nullopt: neither AH nor ESP.
constexpr std::optional<pfkey::SaType> satype_of(std::uint8_t protocol) {
  if (protocol == IPPROTO_AH) return pfkey::SaType::ah;
  if (protocol == IPPROTO_ESP) return pfkey::SaType::esp;
  return std::nullopt;
}

constexpr std::uint16_t family_of(const Address& a) {
  return a.family == Family::v4 ? std::uint16_t{AF_INET} : std::uint16_t{AF_INET6};
}

/// Of AF_INET or AF_INET6.
constexpr Family family_numbered(std::uint16_t number) { return number == AF_INET6 ? Family::v6 : Family::v4; }

inline xfrm_address_t to_kernel(const Address& a) {
  xfrm_address_t out;
  static_assert(sizeof out == 16);
  std::memcpy(&out, a.octets.data(), sizeof out);
  return out;
}

inline Address from_kernel(const xfrm_address_t& a, std::uint16_t family) {
  Address out = unspecified(family_numbered(family));
  std::memcpy(out.octets.data(), &a, out.size());
  return out;
}

template <class T>
Bytes bytes_of(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

/// A structure with every octet zero, padding included.
template <class T>
T zeroed() {
  T object;
  std::memset(&object, 0, sizeof object);
  return object;
}

/// A copy of the structure at the front; nullopt: there are too few bytes.
template <class T>
std::optional<T> front(Bytes from) {
  if (from.size() < sizeof(T)) return std::nullopt;
  T object;
  std::memcpy(&object, from.data(), sizeof object);
  return object;
}

/// A text of netlink, which ends with a NUL.
inline std::string text_of(Bytes value) {
  const std::string_view all = chars_of(value);
  return std::string(all.substr(0, all.find('\0')));
}

/// The address at the front; nullopt: there are too few bytes.
inline std::optional<Address> address_of(Bytes value, Family family) {
  Address a = unspecified(family);
  if (value.size() < a.size()) return std::nullopt;
  std::ranges::copy(value.first(a.size()), a.octets.begin());
  return a;
}

/// The attributes that follow a structure of `fixed` bytes, by number. Views into the message.
class Attributes {
 public:
  Attributes(Bytes payload, std::size_t fixed);

  bool has(std::uint16_t type) const { return !at_[type].empty() || empty_[type]; }
  Bytes operator[](std::uint16_t type) const { return at_[type]; }
  /// The value as a structure; nullopt: the attribute is missing or too short.
  template <class T>
  std::optional<T> get(std::uint16_t type) const {
    return front<T>(at_[type]);
  }
  /// All of them in order, for copying.
  template <class F>
  void for_each(F f) const {
    for (std::uint16_t type = 1; type < kAttributes; ++type)
      if (has(type)) f(type, at_[type]);
  }

 private:
  std::array<Bytes, kAttributes> at_{};
  std::array<bool, kAttributes> empty_{};
};

}  // namespace ipseckey::kernel::xfrm
