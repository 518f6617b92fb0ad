#include "base/secret.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <span>
#include <stdexcept>

#include "base/cast.h"
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
// freed. Therefore slots of a few sizes are cut from locked chunks. A chunk is aligned to its size and begins with a
// map of its free slots; one without a used slot is released, except the last.
class Slots {
 public:
  constexpr explicit Slots(std::size_t slot_size) : slot_size_(slot_size) {}

  std::byte* get() {
    while (true) {
      if (std::byte* const slot = take()) return slot;
      add_chunk();
    }
  }
  // Runs in destructors, so it never allocates.
  void put(std::byte* slot) {
    explicit_bzero(slot, slot_size_);
    if (Chunk* const empty = put_back(slot)) munmap(empty, kChunk);
  }

 private:
  static constexpr std::size_t kChunk = 64 * 1024, kWords = 16;

  struct Chunk {
    Chunk *previous, *next;                 // In the list of those with a free slot.
    std::size_t free;                       // The number of its free slots.
    std::array<std::uint64_t, kWords> map;  // A bit for each slot: 1, it is free.
  };

  std::size_t first() const { return (sizeof(Chunk) + slot_size_ - 1) / slot_size_; }
  std::size_t count() const { return kChunk / slot_size_ - first(); }

  void link(Chunk* chunk) {
    chunk->previous = nullptr, chunk->next = partial_;
    if (partial_) partial_->previous = chunk;
    partial_ = chunk;
  }
  void unlink(const Chunk* chunk) {
    (chunk->previous ? chunk->previous->next : partial_) = chunk->next;
    if (chunk->next) chunk->next->previous = chunk->previous;
  }

  // nullptr: all are in use.
  std::byte* take() {
    const std::scoped_lock lock(mutex_);
    Chunk* const chunk = partial_;
    if (!chunk) return nullptr;
    std::size_t word = 0;
    while (chunk->map[word] == 0) ++word;
    const auto bit = static_cast<std::size_t>(std::countr_zero(chunk->map[word]));
    chunk->map[word] &= chunk->map[word] - 1;
    if (chunk->free-- == count()) --empty_;
    if (chunk->free == 0) unlink(chunk);
    return std::as_writable_bytes(std::span(chunk, 1)).data() + (word * 64 + bit) * slot_size_;
  }

  // Returns a chunk that must be released, or nullptr.
  Chunk* put_back(std::byte* slot) {
    const std::size_t within = std::bit_cast<std::uintptr_t>(slot) % kChunk;
    auto* const chunk = object_at<Chunk>(slot - within);
    const std::size_t number = within / slot_size_;
    const std::scoped_lock lock(mutex_);
    chunk->map[number / 64] |= std::uint64_t{1} << number % 64;
    if (chunk->free++ == 0) link(chunk);
    if (chunk->free < count()) return nullptr;
    if (empty_ == 0) return ++empty_, nullptr;
    unlink(chunk);
    return chunk;
  }

  // Allocates without the lock, because a new handler may release secrets.
  void add_chunk() {
    std::byte* const p = pages(2 * kChunk);
    const std::size_t before = (kChunk - std::bit_cast<std::uintptr_t>(p) % kChunk) % kChunk;
    if (before > 0) munmap(p, before);
    munmap(p + before + kChunk, kChunk - before);
    auto* const chunk = new (p + before) Chunk{};
    chunk->free = count();
    for (std::size_t i = first(); i < kChunk / slot_size_; ++i) chunk->map[i / 64] |= std::uint64_t{1} << i % 64;
    const std::scoped_lock lock(mutex_);
    link(chunk);
    ++empty_;
  }

  const std::size_t slot_size_;
  std::mutex mutex_;
  Chunk* partial_ = nullptr;
  std::size_t empty_ = 0;  // Chunks without a used slot.
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
