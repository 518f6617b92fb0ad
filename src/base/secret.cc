#include "base/secret.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>

#include "base/secret_pages.h"
#include "base/slots.h"

namespace ipseckey {

namespace {

std::byte* pages(std::size_t size) {
  while (true) {  // As operator new does.
    std::byte* const p = secret_pages(size);
    if (p) return p;
    const auto handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
  }
}

constexpr std::size_t kSmall = 64;  // Holds every key of the algorithm table.

// mlock() works on pages and does not nest, so locking each key separately would unlock its neighbours when it is
// freed.
constinit LastingSlots small_slots{kSmall, secret_pages}, large_slots{Secret::kMaxSize, secret_pages};

Slots& slots(std::size_t size) { return size <= kSmall ? small_slots.slots : large_slots.slots; }

}  // namespace

void wipe(MutableBytes b) {
  if (!b.empty()) explicit_bzero(b.data(), b.size());  // It rejects a null pointer, even for zero bytes.
}

bool all_zero(Bytes b) {
  std::uint64_t any = 0, eight = 0;
  for (; b.size() >= sizeof eight; b = b.subspan(sizeof eight)) {
    std::memcpy(&eight, b.data(), sizeof eight);
    any |= eight;
  }
  for (const std::byte x : b) any |= std::to_integer<std::uint64_t>(x);
  return any == 0;
}

Secret::Secret(std::size_t size) : size_(size) {
  if (size > kMaxSize) throw std::length_error("Secret");
  if (size > 0) slot_ = slots(size).get();
}

Secret::Secret(Bytes material) : Secret(material.size()) { std::ranges::copy(material, slot_); }

void Secret::give_back() {
  Slots& home = slots(size_);
  explicit_bzero(slot_, home.slot_size());
  home.put(slot_);
}

Secret Secret::clone() const { return Secret(bytes()); }

SecretBuffer::~SecretBuffer() {
  if (!data_) return;
  wipe(bytes());
  munmap(data_, size_);
}

void SecretBuffer::grow(std::size_t size) {
  constexpr std::size_t kPage = 4096;
  if (size <= size_) return;
  SecretBuffer larger;
  larger.size_ = (size + kPage - 1) / kPage * kPage;
  larger.data_ = pages(larger.size_);
  std::ranges::copy(bytes(), larger.data_);
  *this = std::move(larger);
}

bool operator==(const Secret& a, const Secret& b) {
  if (a.size_ != b.size_) return false;
  std::byte differ{0};
  for (std::size_t i = 0; i < a.size_; ++i) differ |= a.slot_[i] ^ b.slot_[i];
  return differ == std::byte{0};
}

}  // namespace ipseckey
