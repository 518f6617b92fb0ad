#pragma once
/// An optional value that takes memory only if present: for members that few objects have, whose size would burden
/// every object and every move.
#include <memory>
#include <optional>
#include <utility>

namespace ipseckey {

/// Used like std::optional. The value is on the heap; a copy is deep, a move leaves nothing behind.
template <class T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(std::nullopt_t) {}
  Boxed(T value) : box_(std::make_unique<T>(std::move(value))) {}
  Boxed(const Boxed& other) : box_(other ? std::make_unique<T>(*other) : nullptr) {}
  Boxed(Boxed&& other) noexcept = default;
  Boxed& operator=(const Boxed& other) { return *this = Boxed(other); }
  Boxed& operator=(Boxed&& other) noexcept = default;
  ~Boxed() = default;

  explicit operator bool() const { return box_ != nullptr; }
  bool has_value() const { return box_ != nullptr; }
  T& operator*() { return *box_; }
  const T& operator*() const { return *box_; }
  T* operator->() { return box_.get(); }
  const T* operator->() const { return box_.get(); }
  template <class... Args>
  T& emplace(Args&&... args) {
    box_ = std::make_unique<T>(std::forward<Args>(args)...);
    return *box_;
  }
  void reset() { box_.reset(); }

  friend bool operator==(const Boxed& a, const Boxed& b) { return a && b ? *a == *b : !a && !b; }
  friend bool operator==(const Boxed& a, std::nullopt_t) { return !a; }

 private:
  std::unique_ptr<T> box_;
};

}  // namespace ipseckey
