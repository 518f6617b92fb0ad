#pragma once
/// From a word to what it names: a hash table that is filled at compile time, for the tables of names.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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
    const Ends ends = ends_of(name);
    std::size_t b = bucket_of(ends);
    std::size_t probes = 1;
    for (; !entries_[b].name.empty(); b = (b + 1) % buckets, ++probes)
      unique_ = unique_ && !is(entries_[b], ends, name);
    most_probes_ = std::max(most_probes_, probes);
    entries_[b] = {ends, name, value};
  }

  /// What the word names; nullptr: nothing.
  constexpr const Value* find(std::string_view word) const {
    if (word.empty() || word.size() > longest_) return nullptr;
    const Ends ends = ends_of(word);
    for (std::size_t b = bucket_of(ends); !entries_[b].name.empty(); b = (b + 1) % buckets)
      if (is(entries_[b], ends, word)) return &entries_[b].value;
    return nullptr;
  }

  /// For static_assert: every name is there once, and none is far from its bucket.
  constexpr bool well_spread() const { return unique_ && most_probes_ <= 4; }

 private:
  // The first letters and the last ones, which of most names are all: two numbers are compared in place of text.
  struct Ends {
    std::uint64_t first = 0, last = 0;
    constexpr bool operator==(const Ends&) const = default;
  };
  static constexpr std::size_t kWhole = 16;  // Letters of a name of which nothing is left out.

  struct Entry {
    Ends ends;
    std::string_view name;
    Value value{};
  };

  static constexpr bool is(const Entry& entry, const Ends& ends, std::string_view word) {
    if (entry.ends != ends || entry.name.size() != word.size()) return false;
    if (letters == Case::matters && word.size() <= kWhole) return true;
    return entry.name == word || (letters == Case::ignored && text::same_word(entry.name, word));
  }

  static constexpr Ends ends_of(std::string_view name) {
    const std::size_t n = name.size();
    Ends ends;
    if (n >= 8) {
      ends = {octets<std::uint64_t>(name, 0), octets<std::uint64_t>(name, n - 8)};
    } else if (n >= 4) {
      ends = {octets<std::uint32_t>(name, 0), octets<std::uint32_t>(name, n - 4)};
    } else {
      ends = {octets<std::uint8_t>(name, 0), octets<std::uint8_t>(name, n / 2) | octets<std::uint8_t>(name, n - 1)
                                                                                     << 8};
    }
    constexpr std::uint64_t kSmall = 0x2020202020202020;  // Bit 5 is the case of a letter.
    if (letters == Case::ignored) ends.first |= kSmall, ends.last |= kSmall;
    return ends;
  }

  template <class Octets>
  static constexpr std::uint64_t octets(std::string_view name, std::size_t at) {
    std::array<char, sizeof(Octets)> some{};
    for (std::size_t i = 0; i < some.size(); ++i) some[i] = name[at + i];
    return std::bit_cast<Octets>(some);
  }

  static constexpr std::size_t bucket_of(const Ends& ends) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15, kOther = 0xc2b2ae3d27d4eb4f;
    return static_cast<std::size_t>((ends.first * kOdd ^ ends.last * kOther) >> 45) % buckets;
  }

  std::array<Entry, buckets> entries_{};
  std::size_t longest_ = 0;
  std::size_t most_probes_ = 0;
  bool unique_ = true;
};
