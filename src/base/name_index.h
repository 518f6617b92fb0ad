#pragma once
/// From a word to what it names: a hash table that is filled at compile time, for the tables of names.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/text.h"

/// Whether `ESP` names what is called `esp`.
enum class Case : bool { matters, ignored };

/// At most half of the `buckets` should be in use. Names are views that outlive the index.
template <class Value, std::size_t buckets, Case letters>
class NameIndex {
 public:
  /// A name that is not empty and not there yet; else unique() becomes false.
  constexpr void put(std::string_view name, Value value) {
    longest_ = std::max(longest_, name.size());
    std::size_t b = bucket_of(name);
    std::size_t probes = 1;
    for (; !entries_[b].name.empty(); b = (b + 1) % buckets, ++probes)
      unique_ = unique_ && !same(entries_[b].name, name);
    most_probes_ = std::max(most_probes_, probes);
    entries_[b] = {name, value};
  }

  /// What the word names; nullptr: nothing.
  constexpr const Value* find(std::string_view word) const {
    if (word.empty() || word.size() > longest_) return nullptr;
    for (std::size_t b = bucket_of(word); !entries_[b].name.empty(); b = (b + 1) % buckets)
      if (same(entries_[b].name, word)) return &entries_[b].value;
    return nullptr;
  }

  /// For static_assert: every name is there once, and none is far from its bucket.
  constexpr bool well_spread() const { return unique_ && most_probes_ <= 4; }

 private:
  struct Entry {
    std::string_view name;
    Value value{};
  };

  static constexpr bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           (equal(a, b) || (letters == Case::ignored && text::same_word(a, b)));  // Mostly written as in the table.
  }

  // Of one size. In place, because a name is shorter than the call of a function that compares memory.
  static constexpr bool equal(std::string_view a, std::string_view b) {
    if !consteval {
      if (a.size() >= 4 && a.size() <= 8) return ends_differ<std::uint32_t>(a, b) == 0;
      if (a.size() > 8 && a.size() <= 16) return ends_differ<std::uint64_t>(a, b) == 0;
    }
    std::size_t i = 0;
    while (i < a.size() && a[i] == b[i]) ++i;
    return i == a.size();
  }

  // Bits in which the first octets differ, or the last.
  template <class Octets>
  static Octets ends_differ(std::string_view a, std::string_view b) {
    const auto differ = [&](std::size_t at) {
      Octets x, y;
      std::memcpy(&x, a.data() + at, sizeof x);
      std::memcpy(&y, b.data() + at, sizeof y);
      return x ^ y;
    };
    return differ(0) | differ(a.size() - sizeof(Octets));
  }

  // The length and three of the characters tell most names apart. Bit 5 is the case of a letter.
  static constexpr std::size_t bucket_of(std::string_view name) {
    const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(name[i]) | 0x20); };
    return (name.size() * 17 + at(0) * 5 + at(name.size() / 2) * 31 + at(name.size() - 1) * 91) % buckets;
  }

  std::array<Entry, buckets> entries_{};
  std::size_t longest_ = 0;
  std::size_t most_probes_ = 0;
  bool unique_ = true;
};
