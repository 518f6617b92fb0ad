#include "base/secret.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include "base/secret_pages.h"

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

// mlock() works on pages and does not nest, so locking each key separately would unlock its neighbours when it is
// freed. Therefore slots of a few sizes are cut from locked chunks.
class Slots {
 public:
  constexpr explicit Slots(std::size_t slot_size) : slot_size_(slot_size) {}

  std::byte* get() {
    while (true) {
      if (std::byte* const slot = take()) return slot;
      add_chunk();
    }
  }
  void put(std::byte* slot) {
    explicit_bzero(slot, slot_size_);
    const std::scoped_lock lock(mutex_);
    free_.push_back(slot);
  }

 private:
  static constexpr std::size_t kChunk = 64 * 1024;

  // nullptr: all are in use.
  std::byte* take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return nullptr;
    std::byte* const slot = free_.back();
    free_.pop_back();
    return slot;
  }

  // Allocates without the lock, because a new handler may release secrets. There is room in free_ for every slot, so
  // that put(), which runs in destructors, never allocates.
  void add_chunk() {
    const auto unmap = [](std::byte* p) { munmap(p, kChunk); };
    std::unique_ptr<std::byte, decltype(unmap)> chunk(pages(kChunk), unmap);
    const std::size_t more = kChunk / slot_size_;
    std::vector<std::byte*> roomier;
    for (std::size_t room = 0;; roomier.reserve(2 * room)) {
      const std::scoped_lock lock(mutex_);
      room = all_ + more;
      if (roomier.capacity() < room && free_.capacity() < room) continue;
      if (free_.capacity() < room) {
        roomier.assign(free_.begin(), free_.end());
        free_.swap(roomier);
      }
      all_ = room;
      std::byte* const p = chunk.release();
      for (std::size_t at = 0; at < kChunk; at += slot_size_) free_.push_back(p + at);
      return;
    }
  }

  const std::size_t slot_size_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;
  std::size_t all_ = 0;  // Slots, free or in use.
};

constexpr std::size_t kSmall = 64;  // Holds every key of the algorithm table.

// Never destroyed: they outlive every Secret, static ones included.
union Lasting {
  constexpr explicit Lasting(std::size_t slot_size) : slots(slot_size) {}
  constexpr ~Lasting() {}
  Slots slots;
};
constinit Lasting small_slots{kSmall}, large_slots{Secret::kMaxSize};

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

void Secret::give_back() { slots(size_).put(slot_); }

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
