#pragma once
/// Memory that has a descriptor, so that it can outlive the process in the hands of the service manager.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// A sealed memfd, mapped, that grows and never moves or shrinks. Nobody can cut it off under us (F_SEAL_SHRINK). It is
/// left out of core dumps. Its pages may be swapped: keys in it are encrypted.
class SharedPages {
 public:
  /// Empty. Error io.
  static Result<SharedPages> make(const char* name);
  /// What another process left. Errors: malformed (it is not what make() makes), io.
  static Result<SharedPages> take_over(Descriptor fd);
  SharedPages(SharedPages&& other) noexcept;
  SharedPages& operator=(SharedPages&&) = delete;
  ~SharedPages();

  int fd() const { return fd_.get(); }
  std::size_t size() const { return size_; }  ///< Bytes; new ones are zero.
  MutableBytes bytes() { return {base_, size_}; }
  Bytes bytes() const { return {base_, size_}; }
  /// Address space that is reserved for them: 8 GiB, or an eighth of what the process may have, or less where that is
  /// not to be had.
  std::size_t room() const { return room_; }
  /// At least `size` bytes from now on, with memory behind them. False: the system has no more, or room() ends.
  bool grow(std::size_t size);

 private:
  explicit SharedPages(Descriptor fd) : fd_(std::move(fd)) {}
  Result<void> map();

  Descriptor fd_;
  std::byte* base_ = nullptr;
  std::size_t size_ = 0, room_ = 0;
};

}  // namespace ipseckey::ipsecd
