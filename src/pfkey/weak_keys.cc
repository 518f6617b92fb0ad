#include "pfkey/weak_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace ipseckey::pfkey {
namespace {

// Big-endian: the first octet is the most significant.
constexpr std::array<std::uint64_t, 16> kWeak = {
    0x0101010101010101, 0xfefefefefefefefe, 0xe0e0e0e0f1f1f1f1, 0x1f1f1f1f0e0e0e0e,  //
    0x01fe01fe01fe01fe, 0xfe01fe01fe01fe01, 0x1fe01fe00ef10ef1, 0xe01fe01ff10ef10e,
    0x01e001e001f101f1, 0xe001e001f101f101, 0x1ffe1ffe0efe0efe, 0xfe1ffe1ffe0efe0e,
    0x011f011f010e010e, 0x1f011f010e010e01, 0xe0fee0fef1fef1fe, 0xfee0fee0fef1fef1,
};

constexpr std::uint64_t kUsed = 0xfefefefefefefefe;  // Bits that are not parity.

// The bits that DES uses.
std::uint64_t number(Bytes key) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, key.data(), sizeof raw);
  return big_endian(raw) & kUsed;
}

bool weak_des(Bytes key) {
  return std::ranges::any_of(kWeak, [used = number(key)](std::uint64_t weak) { return used == (weak & kUsed); });
}

bool weak_triple_des(Bytes key) {
  const Bytes k1 = key.first(8), k2 = key.subspan(8, 8), k3 = key.subspan(16, 8);
  if (number(k1) == number(k2) || number(k2) == number(k3)) return true;
  return weak_des(k1) + weak_des(k2) + weak_des(k3) > 1;
}

}  // namespace

void correct_parity(MutableBytes key) {
  for (std::byte& b : key) {
    const auto high = static_cast<std::uint8_t>(std::to_integer<unsigned>(b) & 0xfe);
    b = static_cast<std::byte>(high | (std::popcount(high) % 2 == 0 ? 1 : 0));
  }
}

bool weak_key(const Algorithm& cipher, Bytes material) {
  if (!cipher.des) return false;
  return cipher.single_des() ? weak_des(material) : weak_triple_des(material);
}

}  // namespace ipseckey::pfkey
