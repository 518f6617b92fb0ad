#include "base/slots.h"

#include <sys/mman.h>

#include <bit>
#include <new>
#include <span>

#include "base/cast.h"

namespace ipseckey {
namespace {

std::byte* pages(Slots::Map map, std::size_t size) {
  while (true) {  // As operator new does.
    std::byte* const p = map(size);
    if (p) return p;
    const auto handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
  }
}

}  // namespace

std::byte* plain_pages(std::size_t size) noexcept {
  void* const p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

std::byte* Slots::get() {
  while (true) {
    if (std::byte* const slot = take()) return slot;
    add_chunk();
  }
}

void Slots::put(std::byte* slot) {
  if (Chunk* const empty = put_back(slot)) munmap(empty, kChunk);
}

void Slots::link(Chunk* chunk) {
  chunk->previous = nullptr, chunk->next = partial_;
  if (partial_) partial_->previous = chunk;
  partial_ = chunk;
}

void Slots::unlink(const Chunk* chunk) {
  (chunk->previous ? chunk->previous->next : partial_) = chunk->next;
  if (chunk->next) chunk->next->previous = chunk->previous;
}

// nullptr: all are in use.
std::byte* Slots::take() {
  const std::scoped_lock lock(mutex_);
  Chunk* const chunk = partial_;
  if (!chunk) return nullptr;
  while (chunk->map[chunk->word] == 0) ++chunk->word;
  std::uint64_t& bits = chunk->map[chunk->word];
  const std::size_t number = chunk->word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
  bits &= bits - 1;
  if (chunk->free-- == count()) --empty_;
  if (chunk->free == 0) unlink(chunk);
  return std::as_writable_bytes(std::span(chunk, 1)).data() + number * slot_size_;
}

// Returns a chunk that must be released, or nullptr.
Slots::Chunk* Slots::put_back(std::byte* slot) {
  const std::size_t within = std::bit_cast<std::uintptr_t>(slot) % kChunk;
  auto* const chunk = object_at<Chunk>(slot - within);
  const std::size_t number = within / slot_size_;
  const std::scoped_lock lock(mutex_);
  chunk->map[number / 64] |= std::uint64_t{1} << number % 64;
  if (number / 64 < chunk->word) chunk->word = number / 64;
  if (chunk->free++ == 0) link(chunk);
  if (chunk->free < count()) return nullptr;
  if (empty_ == 0) return ++empty_, nullptr;
  unlink(chunk);
  return chunk;
}

// Maps more than needed, and unmaps the unaligned ends. Without the lock, because a new handler may release slots.
void Slots::add_chunk() {
  std::byte* const p = pages(map_, 2 * kChunk);
  const std::size_t before = (kChunk - std::bit_cast<std::uintptr_t>(p) % kChunk) % kChunk;
  if (before > 0) munmap(p, before);
  munmap(p + before + kChunk, kChunk - before);
  auto* const chunk = new (p + before) Chunk{};
  chunk->free = count();
  chunk->word = first() / 64;
  for (std::size_t i = first(); i < kChunk / slot_size_; ++i) chunk->map[i / 64] |= std::uint64_t{1} << i % 64;
  const std::scoped_lock lock(mutex_);
  link(chunk);
  ++empty_;
}

}  // namespace ipseckey
