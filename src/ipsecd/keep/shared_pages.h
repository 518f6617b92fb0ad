#pragma once
/// Memory with a descriptor, so that the service manager can hold it beyond the process.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// A sealed memfd, mapped, that grows and never moves or shrinks. Nobody can truncate it (F_SEAL_SHRINK). It is
/// excluded from core dumps. Its pages may be swapped: keys in it are encrypted.
class SharedPages {
 public:
  /// Empty. Error io.
  static Result<SharedPages> make(const char* name);
  /// Memory that another process left. Errors: malformed (it is not from make()), io.
  static Result<SharedPages> take_over(Descriptor fd);
  SharedPages(SharedPages&& other) noexcept;
  SharedPages& operator=(SharedPages&&) = delete;
  ~SharedPages();

  int fd() const { return fd_.get(); }
  std::size_t size() const { return size_; }  ///< Bytes; new ones are zero.
  MutableBytes bytes() { return {base_, size_}; }
  Bytes bytes() const { return {base_, size_}; }
  /// The address space reserved for them: 8 GiB, or an eighth of the process's limit, or less if that is not available.
  std::size_t room() const { return room_; }
  /// Ensures at least `size` bytes with memory behind them. False: out of memory, or beyond room().
  bool grow(std::size_t size);

 private:
  explicit SharedPages(Descriptor fd) : fd_(std::move(fd)) {}
  Result<void> map();

  Descriptor fd_;
  std::byte* base_ = nullptr;
  std::size_t size_ = 0, room_ = 0;
};

}  // namespace ipseckey::ipsecd
