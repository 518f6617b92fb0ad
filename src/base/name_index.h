#pragma once
/// Finds a word's entry in a table of names. Built at compile time.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"

namespace ipseckey {

/// Whether `ESP` matches the name `esp`.
enum class Case : bool { matters, ignored };

/// Room for `room` names, which are views that outlive the index. They are kept in the order of their first letter and
/// their length, and a table lists where each letter and length begins, so that a look-up compares one or two names.
/// (Binary search takes a third more instructions and a fifth more time for a whole check, and a hash of the name 3 %
/// fewer instructions and no less time: `ipseckey -c` of 3,000 lines by callgrind, of 300,000 alternately, Xeon, g++
/// 12.)
template <class Value, std::size_t room, Case letters>
class NameIndex {
 public:
  /// Adds a name that must be new and not empty; otherwise well_spread() becomes false.
  constexpr void put(std::string_view name, Value value) {
    unique_ = unique_ && !name.empty() && !find(name);
    const std::size_t place = place_of(name);
    for (std::size_t i = from_.back(); i > from_[place + 1]; --i) entries_[i] = entries_[i - 1];
    entries_[from_[place + 1]] = {name, value};
    for (std::size_t p = place + 1; p < from_.size(); ++p) ++from_[p];
  }

  /// The entry for the word; nullptr: none.
  constexpr const Value* find(std::string_view word) const {
    if (word.empty()) return nullptr;
    const std::size_t place = place_of(word);
    for (std::size_t i = from_[place]; i < from_[place + 1]; ++i)
      if (is(entries_[i].name, word)) return &entries_[i].value;
    return nullptr;
  }

  /// For static_assert: every name appears once.
  constexpr bool well_spread() const { return unique_; }

 private:
  struct Entry {
    std::string_view name;
    Value value{};
  };
  static constexpr std::size_t kLetters = 32, kLengths = 16;

  // The last five bits of a letter are the same in both cases.
  static constexpr std::size_t place_of(std::string_view word) {
    return static_cast<unsigned char>(word[0]) % kLetters * kLengths + std::min(word.size(), kLengths) - 1;
  }
  static constexpr bool is(std::string_view name, std::string_view word) {
    return letters == Case::matters ? name == word : text::same_word(name, word);
  }

  std::array<Entry, room> entries_{};
  std::array<std::uint16_t, kLetters * kLengths + 1> from_{};  // Where the names of each letter and length begin.
  bool unique_ = true;
};

}  // namespace ipseckey
