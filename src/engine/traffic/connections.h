#pragma once
/// Which connections an SA has carried: what *allocations* count. None is ever counted twice, so that no SA ends before
/// its limit; beyond kExact, where they are no longer known one by one, a few are not counted at all.
#include <cstdint>
#include <vector>

namespace engine::traffic {

/// Not for several threads at once: Flow guards it.
class Connections {
 public:
  static constexpr std::size_t kExact = 65536;     ///< As many are known by their tags: 1 MB at most.
  static constexpr std::size_t kBits = 1u << 20u;  ///< Those beyond share as many bits, one each: 128 KB.

  /// `tag`: 64 bits of a keyed hash over what makes the connection.
  bool contains(std::uint64_t tag) const;
  /// False: it was there, or what is kept does not tell it from one that was.
  bool insert(std::uint64_t tag);
  /// How many were inserted.
  std::uint64_t size() const { return size_; }

 private:
  static constexpr std::uint64_t kFree = 0;
  static std::uint64_t mask(std::uint64_t tag) { return std::uint64_t{1} << (tag % 64); }
  std::size_t place(std::uint64_t tag) const;
  void grow();

  std::vector<std::uint64_t> tags_;  // A hash table, at most half full; its size is a power of two.
  std::vector<std::uint64_t> bits_;
  std::uint64_t size_ = 0;
};

}  // namespace engine::traffic
