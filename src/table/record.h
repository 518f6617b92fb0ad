#pragma once
/// A table and the record whose members its rows fill. A row has a pointer to the member that takes its value. The
/// member's type determines the syntax, so a row cannot announce one kind of value and store another.
///
/// A language with such a table defines
///   a record                     a struct of optional members, at least one for each row
///   Syntax<T>                    for each type T of a member (syntax.h)
///   a row                        a struct derived from Row with a member `slot`, a Slot<Record, T...>
///   a constexpr array of rows    from which Index makes the Table
/// and a Language (language.h); the code in this folder does the rest.
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/name_index.h"
#include "base/secret_text.h"
#include "table/row.h"
#include "table/syntax.h"

namespace ipseckey::table {

/// Where a row's value goes: a member of the record, of one of the types.
template <class Record, class... Types>
using Slot = std::variant<std::optional<Types> Record::*...>;

template <template <class> class Syntax, class T>
inline constexpr Kind kKind = {Syntax<T>::kWords, Syntax<T>::kSecret, Syntax<T>::kMetavar, [] {
                                 if constexpr (requires { &Syntax<T>::offer; }) {
                                   return &Syntax<T>::offer;
                                 } else {
                                   return decltype(Kind::offer)(nullptr);
                                 }
                               }()};

/// The Kind of the member's type, for Row::kind.
template <template <class> class Syntax, class Slot>
constexpr const Kind* kind_of(const Slot& slot) {
  return std::visit([]<class T, class Record>(std::optional<T> Record::*) { return &kKind<Syntax, T>; }, slot);
}

/// Finds the rows of an array by name. The array has static storage.
template <const auto& rows>
class Index {
 public:
  static constexpr Match find(std::string_view name) {
    if (name.empty() || name[0] < 'a') return {};  // Most words are values, and many are numbers.
    const Match* const match = kNames.find(name);
    return match ? *match : Match{};
  }

  /// The rows that an entry requires.
  static constexpr RowSet required(Uses entry) {
    RowSet set;
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (rows[row].required & entry) set.add(row);
    return set;
  }

  static constexpr Table table() { return {kRows, find}; }

 private:
  static_assert(rows.size() <= kMostRows, "a RowSet has a bit for each row: raise kMostRows");

  static constexpr std::size_t kCount = [] {
    std::size_t count = 0;
    for (const Row& row : rows) for_each_name(row, [&](std::string_view) { ++count; });
    return count;
  }();
  static constexpr auto kNames = [] {
    NameIndex<Match, kCount, Case::matters> index;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto number = static_cast<std::uint8_t>(i);
      text::for_each_word(rows[i].names, [&](std::string_view n) { index.put(n, {&rows[i], number, false}); });
      text::for_each_word(rows[i].v6_names, [&](std::string_view n) { index.put(n, {&rows[i], number, true}); });
    }
    return index;
  }();
  static_assert(kNames.well_spread(), "a name has two rows");

  static constexpr auto kRows = [] {
    std::array<const Row*, rows.size()> pointers{};
    for (std::size_t i = 0; i < rows.size(); ++i) pointers[i] = &rows[i];
    return pointers;
  }();

  static constexpr bool well_formed() {
    for (std::size_t a = 0; a < rows.size(); ++a) {
      if ((rows[a].required & ~rows[a].used) != 0 || rows[a].help.back() != '.') return false;
      for (std::size_t b = 0; b < a; ++b)
        if (rows[a].slot == rows[b].slot) return false;
    }
    return true;
  }
  static_assert(well_formed(),
                "a row is required where it is not used, its help is not a sentence, or its member has two");
};

/// Reads the value of a row into its member, as a Store does (pairs.h). A value that the member has already stays.
template <template <class> class Syntax, class Record, class Slot>
Stored read_value(const Slot& slot, Words words, ReadContext& context, bool keep, Record& record) {
  return std::visit(
      [&]<class T>(std::optional<T> Record::* member) {
        auto value = Syntax<T>::read(words, context);
        if (!value) {
          context.fault = std::move(value.error());
          return Stored::faulty;
        }
        if (!keep) return Stored::taken;
        if (record.*member) return Stored::twice;
        record.*member = std::move(*value);
        return Stored::taken;
      },
      slot);
}

template <class Record, class Slot>
bool has_value(const Slot& slot, const Record& record) {
  return std::visit([&](auto member) { return (record.*member).has_value(); }, slot);
}

/// The rows whose values differ. The type of keys compares in constant time.
template <class Record, class Rows>
RowSet differences(const Rows& rows, const Record& a, const Record& b) {
  RowSet set;
  std::size_t number = 0;
  for (const auto& row : rows) {
    if (std::visit([&](auto member) { return a.*member != b.*member; }, row.slot)) set.add(number);
    ++number;
  }
  return set;
}

/// "authkey, hard_addtime": the first names of the rows.
std::string names_of(const Table& table, const RowSet& set);

/// Sets the item to "name value", or empties it. Keys are written directly into it, so that no copy is left.
template <template <class> class Syntax, class Record, class Row>
void write_item(const Row& row, const Record& record, bool paranoid, SecretText& item) {
  item.clear();
  std::visit(
      [&]<class T>(std::optional<T> Record::* member) {
        if (!(record.*member)) return;
        item = row.name();
        if (Syntax<T>::kWords > 0) item += ' ';
        if constexpr (Syntax<T>::kSecret) {
          Syntax<T>::write(*(record.*member), paranoid, item);
        } else {
          std::string value;
          Syntax<T>::write(*(record.*member), paranoid, value);
          item += value;
        }
      },
      row.slot);
}

/// How lines that are too long are broken between two pairs.
struct Layout {
  std::size_t columns;      ///< Of a line, without the mark that continues it.
  std::string_view broken;  ///< The text between two lines: mark, newline, indent.
};

/// Appends an item, after a blank or on a new line; `column` is where the last line ends.
void append_item(const SecretText& item, const Layout& layout, std::size_t& column, SecretText& out);
/// Where the last line of a text ends.
std::size_t last_column(const SecretText& text);

/// "name value" for each member that is set, in the order of the rows. paranoid: an X for each key digit.
template <template <class> class Syntax, class Record, class Rows>
void write(const Rows& rows, const Record& record, bool paranoid, const Layout& layout, SecretText& out) {
  std::size_t column = last_column(out);
  SecretText item;
  item.reserve(128);
  for (const auto& row : rows) {
    write_item<Syntax>(row, record, paranoid, item);
    if (!item.empty()) append_item(item, layout, column, out);
  }
}

}  // namespace ipseckey::table
