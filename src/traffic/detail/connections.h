#pragma once
/// Which connections an SA has carried: what *allocations* count. None is ever counted twice, so that no SA ends before
/// its limit; a few are not counted at all: of those that are not known one by one, and where memory runs out.
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ipseckey::traffic {

/// Not for several threads at once: Flow guards it.
class Connections {
 public:
  static constexpr std::size_t kExact = 65536;     ///< As many can be known by their tags: in 1 MiB at most.
  static constexpr std::size_t kRough = 1024;      ///< Enough where nothing depends on the number: in 16 KiB at most.
  static constexpr std::size_t kBits = 1u << 20u;  ///< Those beyond share as many bits, one each: 128 KiB.

  /// `tag`: 64 bits of a keyed hash over what makes the connection.
  bool contains(std::uint64_t tag) const;
  /// False: it was there, or what is kept does not tell it from one that was, or there is no memory to keep it. With
  /// `exact` or more before it, it is not kept by its tag.
  bool insert(std::uint64_t tag, std::size_t exact = kExact);
  /// How many were inserted.
  std::uint64_t size() const { return size_; }

 private:
  static constexpr std::uint64_t kFree = 0;
  static std::uint64_t mask(std::uint64_t tag) { return std::uint64_t{1} << (tag % 64); }
  std::size_t place(std::uint64_t tag) const;
  bool keep_tag(std::uint64_t tag);
  bool keep_bit(std::uint64_t tag);
  bool grow();

  std::unique_ptr<std::uint64_t[]> tags_;  // A hash table, at most half full.
  std::size_t places_ = 0;                 // Of it; a power of two.
  std::size_t kept_ = 0;                   // In it.
  std::unique_ptr<std::uint64_t[]> bits_;
  std::uint64_t size_ = 0;
};

}  // namespace ipseckey::traffic
