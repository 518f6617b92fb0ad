#pragma once
/// Reading untrusted bytes and writing wire bytes, with matching functions for both directions.
#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ipseckey {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// Host to network order or back.
template <std::unsigned_integral T>
constexpr T big_endian(T v) {
  if constexpr (std::endian::native == std::endian::big) return v;
  auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(v);
  std::ranges::reverse(raw);
  return std::bit_cast<T>(raw);
}

/// Takes fields off the front of untrusted bytes. After the first short read every field is zero and ok() is false, so
/// a decoder reads straight through and checks once.
class Reader {
 public:
  explicit Reader(Bytes in) : in_(in) {}

  bool ok() const { return ok_; }
  std::size_t remaining() const { return in_.size(); }
  void fail() {
    ok_ = false;
    in_ = {};
  }

  /// An integer in host byte order.
  template <std::unsigned_integral T>
  void host(T& v) {
    std::array<std::byte, sizeof(T)> raw{};
    bytes(raw);
    v = std::bit_cast<T>(raw);
  }
  /// An integer in network byte order.
  template <std::unsigned_integral T>
  void net(T& v) {
    host(v);
    v = big_endian(v);
  }
  void bytes(MutableBytes out) { std::ranges::copy(take(out.size()), out.begin()); }
  void pad(std::size_t n) { take(n); }

  /// The next n bytes; if there are fewer, none, and ok() is false.
  Bytes take(std::size_t n) {
    if (n > in_.size()) {
      fail();
      return {};
    }
    const Bytes head = in_.first(n);
    in_ = in_.subspan(n);
    return head;
  }

 private:
  Bytes in_;
  bool ok_ = true;
};

/// Appends fields to a buffer that the caller owns. Mirrors Reader: the same function names, so that one list of fields
/// serves both directions. A full buffer is a sticky failure, too.
class Writer {
 public:
  explicit Writer(MutableBytes out) : out_(out) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }  ///< Bytes written so far.

  template <std::unsigned_integral T>
  void host(const T& v) {
    bytes(std::as_bytes(std::span(&v, 1)));
  }
  template <std::unsigned_integral T>
  void net(const T& v) {
    host(big_endian(v));
  }
  void bytes(Bytes in) {
    if (!room(in.size())) return;
    std::ranges::copy(in, out_.subspan(size_).begin());
    size_ += in.size();
  }
  void pad(std::size_t n) {
    if (!room(n)) return;
    std::ranges::fill(out_.subspan(size_, n), std::byte{0});
    size_ += n;
  }

  /// Overwrites a field that was written earlier: a length, a checksum. Host byte order.
  template <std::unsigned_integral T>
  void patch(std::size_t at, T v) {
    if (ok_) std::ranges::copy(std::as_bytes(std::span(&v, 1)), out_.subspan(at).begin());
  }

 private:
  bool room(std::size_t n) { return ok_ = ok_ && n <= out_.size() - size_; }

  MutableBytes out_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace ipseckey
