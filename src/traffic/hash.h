#pragma once
/// The hash of the packet path's tables: each word is mixed in and multiplied by 2^64 over the golden ratio.
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/net.h"
#include "engine/engine.h"

namespace ipseckey::traffic {

class Hasher {
 public:
  void add(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15;
    state_ ^= state_ >> 32;
  }
  // An IPv4 address has often just been read from a packet: to load more octets than were stored at once costs several
  // times as much.
  void add(const Address& a) {
    if (a.family == Family::v4) {
      std::uint32_t octets = 0;
      std::memcpy(&octets, a.octets.data(), sizeof octets);
      return add(octets);
    }
    const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(a.octets);
    add(halves[0]);
    add(halves[1]);
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>((state_ * 0x9e3779b97f4a7c15) >> 32); }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3;
};

inline std::uint32_t hash_of(const engine::SaId& id) {
  Hasher h;
  h.add(std::uint64_t{id.spi} << 8 | static_cast<std::uint8_t>(id.satype));
  h.add(id.dst);
  return h.value();
}

}  // namespace ipseckey::traffic
