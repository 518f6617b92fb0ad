#include "pfkey/weak_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace pfkey {
namespace {

// Big-endian: the first octet is the most significant.
constexpr std::array<std::uint64_t, 16> kWeak = {
    0x0101010101010101, 0xfefefefefefefefe, 0xe0e0e0e0f1f1f1f1, 0x1f1f1f1f0e0e0e0e,  //
    0x01fe01fe01fe01fe, 0xfe01fe01fe01fe01, 0x1fe01fe00ef10ef1, 0xe01fe01ff10ef10e,
    0x01e001e001f101f1, 0xe001e001f101f101, 0x1ffe1ffe0efe0efe, 0xfe1ffe1ffe0efe0e,
    0x011f011f010e010e, 0x1f011f010e010e01, 0xe0fee0fef1fef1fe, 0xfee0fee0fef1fef1,
};

constexpr std::uint8_t kDes = 2, kTripleDes = 3;  // Of the algorithm table.

consteval bool odd_parity() {
  return std::ranges::all_of(kWeak, [](std::uint64_t key) {
    for (; key != 0; key >>= 8)
      if (std::popcount(key & 0xff) % 2 == 0) return false;
    return true;
  });
}
static_assert(odd_parity(), "keys are compared after their parity was corrected");

std::uint64_t number(Bytes key) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, key.data(), sizeof raw);
  return big_endian(raw);
}

}  // namespace

void correct_parity(MutableBytes key) {
  for (std::byte& b : key) {
    const auto high = static_cast<std::uint8_t>(std::to_integer<unsigned>(b) & 0xfe);
    b = static_cast<std::byte>(high | (std::popcount(high) % 2 == 0 ? 1 : 0));
  }
}

bool has_parity(std::uint8_t cipher) { return cipher == kDes || cipher == kTripleDes; }

bool weak_key(std::uint8_t cipher, Bytes material) {
  return (cipher == kDes && weak_des(material.first(8))) ||
         (cipher == kTripleDes && weak_triple_des(material.first(24)));
}

bool weak_des(Bytes key) { return std::ranges::find(kWeak, number(key)) != kWeak.end(); }

bool weak_triple_des(Bytes key) {
  const Bytes k1 = key.first(8), k2 = key.subspan(8, 8), k3 = key.subspan(16, 8);
  if (number(k1) == number(k2) || number(k2) == number(k3)) return true;
  return weak_des(k1) + weak_des(k2) + weak_des(k3) > 1;
}

}  // namespace pfkey
