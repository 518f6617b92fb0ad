#include "traffic/detail/connections.h"

#include <algorithm>
#include <new>

namespace ipseckey::traffic {
namespace {

constexpr std::size_t kFirst = 16;

// 0 marks a free slot.
std::uint64_t kept(std::uint64_t tag) { return std::max<std::uint64_t>(tag, 1); }

}  // namespace

// The slot of the tag, or where it would be.
std::size_t Connections::place(std::uint64_t tag) const {
  std::size_t i = tag & (places_ - 1);
  while (tags_[i] != kFree && tags_[i] != tag) i = (i + 1) & (places_ - 1);
  return i;
}

bool Connections::contains(std::uint64_t tag) const {
  if (tags_ && tags_[place(kept(tag))] != kFree) return true;
  return bits_ && (bits_[tag % kBits / 64] & mask(tag)) != 0;
}

// Nothing here throws: packets must not end the process when memory runs out.
bool Connections::grow() {
  const std::size_t before = places_, places = std::max(before * 2, kFirst);
  std::unique_ptr<std::uint64_t[]> old(new (std::nothrow) std::uint64_t[places]());
  if (!old) return false;
  old.swap(tags_);
  places_ = places;
  for (std::size_t i = 0; i < before; ++i)
    if (old[i] != kFree) tags_[place(old[i])] = old[i];
  return true;
}

bool Connections::keep_tag(std::uint64_t tag) {
  if ((kept_ + 1) * 2 > places_ && !grow()) return false;
  tags_[place(kept(tag))] = kept(tag);
  ++kept_;
  return true;
}

bool Connections::keep_bit(std::uint64_t tag) {
  if (!bits_) bits_.reset(new (std::nothrow) std::uint64_t[kBits / 64]());
  if (!bits_) return false;
  bits_[tag % kBits / 64] |= mask(tag);
  return true;
}

bool Connections::insert(std::uint64_t tag, std::size_t exact) {
  if (contains(tag) || !(size_ < exact ? keep_tag(tag) : keep_bit(tag))) return false;
  ++size_;
  return true;
}

}  // namespace ipseckey::traffic
