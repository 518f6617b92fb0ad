#include "traffic/detail/peer_place.h"

#include <cstring>
#include <mutex>
#include <utility>

namespace ipseckey::traffic {

std::uint64_t PeerPlace::tag_of(const Address& address, std::uint16_t port) {
  constexpr std::uint64_t kSome = std::uint64_t{1} << 63, kOdd = 0x9e3779b97f4a7c15;
  std::uint32_t words[4];
  std::memcpy(words, address.octets.data(), sizeof words);
  const std::uint64_t rest = (words[1] * kOdd + words[2]) * kOdd + words[3];  // 0 of IPv4.
  return ((words[0] | std::uint64_t{port} << 32) ^ (rest * kOdd)) | kSome;
}

bool PeerPlace::see(const Place& place, std::uint64_t number, bool expected) {
  const std::scoped_lock hold(lock_);
  if (number < number_) return false;
  number_ = number;
  const std::uint64_t tag = tag_of(place.address, place.port);
  const std::uint64_t before = seen_.exchange(tag, std::memory_order_relaxed);
  if (before == tag || (before == kNowhere && expected)) return false;
  news_ = place;
  return true;
}

std::optional<Place> PeerPlace::take() {
  const std::scoped_lock hold(lock_);
  return std::exchange(news_, std::nullopt);
}

void PeerPlace::expect_nothing() {
  const std::scoped_lock hold(lock_);
  seen_.store(kAnywhere, std::memory_order_relaxed);
}

}  // namespace ipseckey::traffic
