// The table of SAs:
// 1. An Sa is in a chunk and never moves; its index names it, and free entries form a list.
// 2. by_id_ finds an index by type, SPI, destination and mark. Its entries contain the hash, so that it grows without
//    reading the SAs.
// 3. insert() also appends the SA to a list in the order of age, which a DUMP follows.
// 4. make_room() allocates memory beforehand, so that a failed ADD changes nothing.
// 5. walk() or walk_back(), and step(), are a cursor over that list; erase() moves cursors away from the SA.
// 6. pair() and unpair() join two SAs by their indices.
#include "engine/sadb.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>

namespace ipseckey::engine {
namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio: Fibonacci hashing.

std::uint64_t mix(std::uint64_t a) {
  a *= kOdd;
  return a ^ (a >> 32);
}

std::uint32_t hash_of(const SaId& id) {
  std::array<std::uint64_t, 2> halves;
  std::memcpy(halves.data(), id.dst.octets.data(), sizeof halves);
  const std::uint64_t numbers = std::uint64_t{id.spi} << 8 | std::uint64_t{static_cast<std::uint8_t>(id.satype)} << 1 |
                                static_cast<std::uint8_t>(id.dst.family);
  return static_cast<std::uint32_t>(mix(mix(mix(numbers) ^ halves[0]) ^ halves[1]));
}

// Whether a block of that many bytes can be allocated, including its alignment.
bool there_is(std::size_t bytes) {
  // Volatile: otherwise the allocation is optimised away.
  void* volatile block = std::malloc(bytes + 2 * LargePages<Sa>::kPage);
  std::free(block);
  return block != nullptr;
}

}  // namespace

const Rare& rare_of(const Sa& sa) {
  static const Rare kNothing;
  return sa.rare ? *sa.rare : kNothing;
}

std::size_t Sadb::Hash::spread(std::uint32_t hash) { return hash * kOdd; }

bool Sadb::Equal::operator()(const Entry& a, const ProbeAnyMark& b) const {
  if (a.hash != b.hash) return false;
  const Sa& sa = sadb->at(a.index);
  return sa.spi == b.id->spi && sa.satype == b.id->satype && sa.dst == b.id->dst;
}
bool Sadb::Equal::operator()(const Entry& a, const Probe& b) const {
  return (*this)(a, ProbeAnyMark{b}) && sadb->mark_of(sadb->at(a.index)) == b.id->mark;
}

Sadb::Sadb(bool names_by_mark) : names_by_mark_(names_by_mark), by_id_(0, Hash{}, Equal{this}) {}
Sadb::~Sadb() {
  for (std::size_t i = made_; i-- > 0;) std::destroy_at(&at(static_cast<Sa::Index>(i)));
  for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk)
    LargePages<Sa>().deallocate(chunks_[chunk], length_of(chunk));
}

void Sadb::prefetch(const SaId& id) const { by_id_.prefetch(Probe{hash_of(id), &id}); }

Sa* Sadb::find(const SaId& id) {
  const auto found = by_id_.find(Probe{hash_of(id), &id});
  return found == by_id_.end() ? nullptr : &at(found->index);
}

Sa* Sadb::find(const SaId& id, const Address* src) {
  Sa* const sa = find(id);
  if (!sa || !src || sa->src == *src || is_unspecified(sa->src) || is_unspecified(*src)) return sa;
  return nullptr;
}

Sa* Sadb::find_near(const SaId& id) {
  using enum pfkey::SaType;
  SaId other = id;
  other.satype = id.satype == ah ? esp : ah;
  for (const SaId* const near : std::array<const SaId*, 2>{&id, &other}) {
    const auto found = by_id_.find(ProbeAnyMark{{hash_of(*near), near}});
    if (found != by_id_.end()) return &at(found->index);
  }
  return nullptr;
}

bool Sadb::make_room() {
  if (free_ == Sa::kNone && made_ == first_of(chunks_.size()) && !there_is(length_of(chunks_.size()) * sizeof(Sa)))
    return false;
  if (size() < planned_) return true;
  // Three quarters of a power of two: up to that number the table discards erased entries instead of growing.
  constexpr std::size_t kFirst = 96;
  const std::size_t more = std::max(kFirst, 2 * planned_);
  if (!there_is(more / 3 * 4 * (sizeof(Entry) + 1))) return false;
  by_id_.reserve(more);
  planned_ = more;
  return true;
}

Sa* Sadb::insert(const SaId& id) {
  const std::uint32_t hash = hash_of(id);
  Sa* made = nullptr;
  by_id_.lazy_emplace(Probe{hash, &id}, [&](const auto& construct) {
    made = &allocate();
    construct(Entry{hash, made->index});
  });
  if (!made) return nullptr;
  made->satype = id.satype, made->spi = id.spi, made->dst = id.dst;
  if (id.mark != 0) {
    made->rare = std::make_unique<Rare>();
    made->rare->at<&pfkey::Message::mark>() = pfkey::Mark{id.mark, UINT32_MAX};
  }
  made->serial = ++last_serial_;
  made->older = newest_;
  (newest_ == Sa::kNone ? oldest_ : at(newest_).newer) = made->index;
  newest_ = made->index;
  return made;
}

SaId Sadb::id_of(const Sa& sa) const { return {sa.satype, sa.spi, sa.dst, mark_of(sa)}; }

Sa& Sadb::allocate() {
  if (free_ == Sa::kNone) {
    if (made_ == first_of(chunks_.size())) {
      chunks_.reserve(chunks_.size() + 1);
      chunks_.push_back(LargePages<Sa>().allocate(length_of(chunks_.size())));
    }
    const auto index = static_cast<Sa::Index>(made_);
    std::construct_at(&at(index))->index = index;
    ++made_;
    free_ = index;
  }
  Sa& sa = at(free_);
  free_ = sa.newer;
  sa.newer = Sa::kNone;
  return sa;
}

void Sadb::erase(Sa& sa) {
  assert(sa.pair == Sa::kNone);
  std::erase_if(cursors_, [](const auto& cursor) { return cursor.expired(); });
  for (const auto& held : cursors_)
    if (const auto cursor = held.lock(); cursor->next == sa.index) cursor->next = cursor->back ? sa.older : sa.newer;
  by_id_.erase(Entry{hash_of(sa.id()), sa.index});
  (sa.older == Sa::kNone ? oldest_ : at(sa.older).newer) = sa.newer;
  (sa.newer == Sa::kNone ? newest_ : at(sa.newer).older) = sa.older;
  const Sa::Index index = sa.index;
  sa = Sa{};
  sa.index = index;
  sa.newer = free_;
  free_ = index;
}

// Erased SAs own nothing, so their memory can go as it is.
void Sadb::release_spare() {
  if (!has_spare()) return;
  if (made_ > 0) {
    by_id_ = decltype(by_id_)(0, Hash{}, Equal{this});
    planned_ = made_ = 0;
    free_ = Sa::kNone;
    return;
  }
  Sa* const last = chunks_.back();
  chunks_.pop_back();
  LargePages<Sa>().deallocate(last, length_of(chunks_.size()));
}

void Sadb::pair(Sa& a, Sa& b) {
  a.pair = b.index, b.pair = a.index;
  a.flags |= pfkey::kFlagPaired, b.flags |= pfkey::kFlagPaired;
}

void Sadb::unpair(Sa& sa) {
  if (sa.pair == Sa::kNone) return;
  for (Sa* const half : {&at(sa.pair), &sa}) {
    half->pair = Sa::kNone;
    half->flags &= ~std::uint32_t{pfkey::kFlagPaired};
  }
}

// A finished walk leaves its entry behind; such entries are removed before the list would grow.
std::shared_ptr<Sadb::Cursor> Sadb::hold(Cursor from) {
  if (cursors_.size() == cursors_.capacity()) {
    std::erase_if(cursors_, [](const auto& cursor) { return cursor.expired(); });
    cursors_.reserve(2 * cursors_.size() + 1);
  }
  auto held = std::make_shared<Cursor>(from);
  cursors_.push_back(held);
  return held;
}

std::shared_ptr<Sadb::Cursor> Sadb::walk() { return hold({oldest_, last_serial_}); }
std::shared_ptr<Sadb::Cursor> Sadb::walk_back() { return hold({newest_, last_serial_, true}); }

Sa* Sadb::step(Cursor& cursor) {
  if (cursor.next == Sa::kNone) return nullptr;
  Sa& sa = at(cursor.next);
  if (sa.serial > cursor.last_serial) return nullptr;
  cursor.next = cursor.back ? sa.older : sa.newer;
  return &sa;
}

}  // namespace ipseckey::engine
