#pragma once
/// The only parser of `name value ...`: reads the pairs of one entry into a record whose type it does not know, and
/// keeps each fault with its position. A language derives its own parser, which reads the words before the pairs.
#include <absl/functional/function_ref.h>

#include <string>
#include <string_view>
#include <vector>

#include "table/faults.h"
#include "table/language.h"
#include "table/names.h"
#include "table/syntax.h"

namespace ipseckey::table {

/// The entry whose pairs are read.
struct Entry {
  std::string_view name;  ///< As messages call it: "add".
  Uses bit;
};

/// Reads the value of a row into the record, as read_value() does. `keep` false: only for its faults.
using Store = absl::FunctionRef<Stored(const Row& row, Words words, ReadContext& context, bool keep)>;

class Pairs {
 public:
  Pairs(const Language& language, const Names& names)
      : language_(language), context_{.names = names, .no_zone = language.no_zone} {}

  /// Cuts a text into words, which point into it. False: it cannot be cut, which is then the only fault.
  bool begin(std::string_view text);

  static constexpr std::size_t kMostFaults = 32;

  /// Reads pairs up to the end of the text. After an unknown name it continues at the next known one; after kMostFaults
  /// it ends, because deciding what a fault may show takes the whole text, for each fault.
  void read(const Entry& entry, Store store);

  /// Adds a fault for each row of the set that was neither given nor has a fault of its own.
  void require(const Entry& entry, const RowSet& required);

  /// In the order of the text; at one position in the order in which they were found.
  const Faults& faults() const { return faults_; }
  const RowSet& given() const { return given_; }  ///< Rows whose value was taken.
  /// Rows with a fault of their own, and rows that an unknown name may have meant.
  const RowSet& faulty() const { return faulty_; }
  bool lost() const { return lost_; }  ///< Whether a name was not understood.

 protected:
  bool at_end() const { return unread_.empty(); }
  const Word& peek() const { return unread_.front(); }
  const Word& take() { return take(1).front(); }
  const Word& first_word() const { return words_.front(); }
  const Word& last_word() const { return words_.back(); }
  const std::vector<Word>& words() const { return words_; }

  void add(Fault fault);
  void add(Severity severity, const Word& word, std::string message);
  void error(const Word& word, std::string message) { add(Severity::error, word, std::move(message)); }

  /// Whether the word begins a comment, which belongs on lines of its own.
  static bool is_comment(const Word& word) { return word.kind == Word::Kind::bare && word.text.starts_with('#'); }
  /// Adds that fault, and ignores the rest of its line, which is never shown.
  void skip_comment(const Word& mark);

  /// A word that was not understood: quoted, or "(not shown: ...)".
  std::string unknown(const Word& word) const { return echo().unknown(word); }
  bool shows(const Word& word) const { return echo().shows(word); }

 private:
  Echo echo() const { return {language_, words_}; }
  Words take(std::size_t count);
  Words take_value(const Row& row);
  void not_used(const Entry& entry, const Row& row, const Word& name);
  void value_missing(const Match& match, const Word& name);
  void value_fault(const Match& match, const Word& name, Words value);
  void unknown_name(const Entry& entry, const Word& word);
  void give_up();
  std::string instead_of(std::string_view word, std::span<const std::string_view> known) const;
  bool stands_as_name(const Word& word) const;
  bool is_name(const Word& word) const;

  const Language& language_;
  ReadContext context_;  // Of the value that is being read.
  std::vector<Word> words_;
  Words unread_;
  Faults faults_;
  RowSet given_, faulty_;
  bool lost_ = false;
};

/// Where a row's name and value are in the words of an entry; if it is not there, the entry's first word.
struct Place {
  std::uint32_t at = 0, length = 1;
};
Place place_of(const Table& table, Words words, const Row& row);

}  // namespace ipseckey::table
