#include "engine/traffic/connections.h"

#include <algorithm>

namespace engine::traffic {
namespace {

constexpr std::size_t kFirst = 16;

// 0 stands for a free place.
std::uint64_t kept(std::uint64_t tag) { return std::max<std::uint64_t>(tag, 1); }

}  // namespace

// Where the tag is, or would be.
std::size_t Connections::place(std::uint64_t tag) const {
  std::size_t i = tag & (tags_.size() - 1);
  while (tags_[i] != kFree && tags_[i] != tag) i = (i + 1) & (tags_.size() - 1);
  return i;
}

bool Connections::contains(std::uint64_t tag) const {
  if (!tags_.empty() && tags_[place(kept(tag))] != kFree) return true;
  return !bits_.empty() && (bits_[tag % kBits / 64] & mask(tag)) != 0;
}

void Connections::grow() {
  std::vector<std::uint64_t> old(std::max(tags_.size() * 2, kFirst));
  old.swap(tags_);
  for (const std::uint64_t tag : old)
    if (tag != kFree) tags_[place(tag)] = tag;
}

bool Connections::insert(std::uint64_t tag) {
  if (contains(tag)) return false;
  if (size_ < kExact) {
    if ((size_ + 1) * 2 > tags_.size()) grow();
    tags_[place(kept(tag))] = kept(tag);
  } else {
    if (bits_.empty()) bits_.resize(kBits / 64);
    bits_[tag % kBits / 64] |= mask(tag);
  }
  ++size_;
  return true;
}

}  // namespace engine::traffic
