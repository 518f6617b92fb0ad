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

/// Room for `room` names, which are views that outlive the index. A mix of their first and last letters and their
/// length puts each into a short list; a look-up compares with those of one list, mostly one. (With binary search
/// `ipseckey -c` takes a third more instructions.)
template <class Value, std::size_t room, Case letters>
class NameIndex {
 public:
  /// Adds a name that must be new and not empty; otherwise well_spread() becomes false.
  constexpr void put(std::string_view name, Value value) {
    unique_ = unique_ && !name.empty() && !find(name);
    const std::size_t list = list_of(name);
    for (std::size_t i = from_.back(); i > from_[list + 1]; --i) entries_[i] = entries_[i - 1];
    entries_[from_[list + 1]] = {name, value};
    for (std::size_t p = list + 1; p < from_.size(); ++p) ++from_[p];
  }

  /// The entry for the word; nullptr: none.
  constexpr const Value* find(std::string_view word) const {
    if (word.empty()) return nullptr;
    const std::size_t list = list_of(word);
    const Entry* const end = entries_.data() + from_[list + 1];
    for (const Entry* entry = entries_.data() + from_[list]; entry != end; ++entry)
      if (is(entry->name, word)) return &entry->value;
    return nullptr;
  }

  /// For static_assert: every name appears once.
  constexpr bool well_spread() const { return unique_; }

 private:
  struct Entry {
    std::string_view name;
    Value value{};
  };
  static constexpr std::size_t kLists = 512;

  // Of a letter, the last five bits are the same in both cases. The factors are those that spread our names best.
  static constexpr std::size_t list_of(std::string_view word) {
    const auto first = static_cast<unsigned char>(word.front()), last = static_cast<unsigned char>(word.back());
    return (first % 32u * 2 + last % 32u * 16 + word.size() * 7) % kLists;
  }
  static constexpr bool is(std::string_view name, std::string_view word) {
    return letters == Case::matters ? name == word : text::same_word(name, word);
  }

  std::array<Entry, room> entries_{};
  std::array<std::uint16_t, kLists + 1> from_{};  // Where each list begins.
  bool unique_ = true;
};

}  // namespace ipseckey
