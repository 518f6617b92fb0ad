#pragma once
/// Which connections an SA has carried: *allocations* counts them. No connection is ever counted twice, so no SA ends
/// before its limit; a few are not counted: those beyond the exact ones that share a bit, and those met when memory
/// runs out.
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ipseckey::traffic {

/// Not thread-safe: Flow guards it.
class Connections {
 public:
  static constexpr std::size_t kExact = 65536;     ///< The most that can be known by their tags, in at most 1 MiB.
  static constexpr std::size_t kRough = 1024;      ///< Enough when nothing depends on the number, in at most 16 KiB.
  static constexpr std::size_t kBits = 1u << 20u;  ///< Shared by all others, one bit each: 128 KiB.

  /// `tag`: 64 bits of a keyed hash over the fields that identify the connection.
  bool contains(std::uint64_t tag) const;
  /// False: it was there already, or cannot be distinguished from one that was, or there is no memory for it. Once
  /// `exact` tags are stored, further tags are not.
  bool insert(std::uint64_t tag, std::size_t exact = kExact);
  /// The number of connections inserted.
  std::uint64_t size() const { return size_; }

 private:
  static constexpr std::uint64_t kFree = 0;
  static std::uint64_t mask(std::uint64_t tag) { return std::uint64_t{1} << (tag % 64); }
  std::size_t place(std::uint64_t tag) const;
  bool keep_tag(std::uint64_t tag);
  bool keep_bit(std::uint64_t tag);
  bool grow();

  std::unique_ptr<std::uint64_t[]> tags_;  // A hash table, at most half full.
  std::size_t places_ = 0;                 // The size of the table; a power of two.
  std::size_t kept_ = 0;                   // The number of tags in it.
  std::unique_ptr<std::uint64_t[]> bits_;
  std::uint64_t size_ = 0;
};

}  // namespace ipseckey::traffic
