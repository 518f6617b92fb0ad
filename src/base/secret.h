#pragma once
/// Key material: locked, excluded from core dumps, wiped when released, comparable in constant time, never printable.
#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/export.h"

namespace ipseckey {

/// Owns key bytes. Can be moved but not copied; only clone() makes a second copy, visibly at the call.
class IPSECKEY_API Secret {
 public:
  static constexpr std::size_t kMaxSize = 256;  ///< Bytes.

  Secret() = default;
  explicit Secret(std::size_t size);  ///< Zero bytes. size <= kMaxSize, else std::length_error.
  explicit Secret(Bytes material);    ///< A copy of material; the caller wipes the original.
  Secret(Secret&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(slot_, other.slot_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret() {
    if (slot_) give_back();  // Most are empty when destroyed.
  }

  Secret clone() const;
  Bytes bytes() const { return {slot_, size_}; }
  MutableBytes bytes() { return {slot_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Compares in time that depends only on the sizes.
  friend bool operator==(const Secret& a, const Secret& b);

 private:
  void give_back();  // Wiped.

  std::byte* slot_ = nullptr;
  std::size_t size_ = 0;
};

IPSECKEY_API bool operator==(const Secret& a, const Secret& b);

/// A growing buffer for text and messages with keys: excluded from core dumps, locked as far as the limits allow, wiped
/// when it is released and when it moves.
class IPSECKEY_API SecretBuffer {
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

  /// Ensures room for at least `size` bytes, rounded up to whole pages; the contents are kept. Moves the memory.
  void grow(std::size_t size);
  MutableBytes bytes() { return {data_, size_}; }
  Bytes bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Overwrites memory in a way that the optimiser cannot remove: for line buffers and encoded messages.
IPSECKEY_API void wipe(MutableBytes b);

/// Whether every byte is zero, in time that depends only on the size.
bool all_zero(Bytes b);

}  // namespace ipseckey
