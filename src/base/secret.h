#pragma once
/// Key material: locked, left out of core dumps, wiped when let go of, comparable in constant time, never printable.
#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/export.h"

namespace ipseckey {

/// Owns key bytes. Moves, does not copy; clone() is the one way to a second copy and is visible at the call.
class IPSECKEY_API Secret {
 public:
  static constexpr std::size_t kMaxSize = 256;  ///< Bytes.

  Secret() = default;
  explicit Secret(std::size_t size);  ///< Zero bytes. size <= kMaxSize, else std::length_error.
  explicit Secret(Bytes material);    ///< A copy of material, which the caller wipes.
  Secret(Secret&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(slot_, other.slot_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret() {
    if (slot_) give_back();  // Most are empty by then.
  }

  Secret clone() const;
  Bytes bytes() const { return {slot_, size_}; }
  MutableBytes bytes() { return {slot_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// In time that depends on the sizes alone.
  friend bool operator==(const Secret& a, const Secret& b);

 private:
  void give_back();  // Wiped.

  std::byte* slot_ = nullptr;
  std::size_t size_ = 0;
};

IPSECKEY_API bool operator==(const Secret& a, const Secret& b);

/// A growing buffer for text and messages that hold keys: left out of core dumps, locked as far as the limits allow,
/// wiped when it is let go of and when it moves.
class SecretBuffer {
 public:
  SecretBuffer() = default;
  SecretBuffer(SecretBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SecretBuffer& operator=(SecretBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SecretBuffer();

  /// At least `size` bytes from now on, rounded up to whole pages; what was in it stays. Moves the memory.
  void grow(std::size_t size);
  MutableBytes bytes() { return {data_, size_}; }
  Bytes bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Overwrites memory in a way that the optimiser may not skip: line buffers, encoded messages.
IPSECKEY_API void wipe(MutableBytes b);

/// Whether every byte is zero, in time that depends on the size alone.
bool all_zero(Bytes b);

}  // namespace ipseckey
