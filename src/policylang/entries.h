#pragma once
/// A file of rules cut into entries: `{ pattern } action { properties } [or action { properties }]...`, each on lines
/// of its own, with a line `order ...` before the first. Nothing inside of the braces is read here.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "table/faults.h"

namespace ipseckey::policylang {

/// A part of an entry's text.
struct Piece {
  std::size_t at = 0, size = 0;
};

struct Clause {
  Piece action;
  Piece properties;  ///< What is between the braces.
};

struct Entry {
  std::string_view text;   ///< Without comments, which are blanks here. From its first word on.
  std::uint32_t line = 1;  ///< Of its first word, in the file.
  std::uint32_t column = 1;
  Piece pattern;  ///< What is between the braces.
  std::vector<Clause> clauses;
  table::Faults faults;  ///< Of its shape; with one, only what is before it was read.

  std::string_view of(Piece piece) const { return text.substr(piece.at, piece.size); }
};

class Entries {
 public:
  /// Keeps a copy of the text; entries are views into it.
  explicit Entries(std::string_view file);
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;

  /// The line at the head of the file that is not an entry: `order file`, with no braces; nullopt: there is none. To be
  /// called before the first next().
  std::optional<Entry> head();

  /// nullopt: that was all. After a fault it continues at the next line that begins with a brace.
  std::optional<Entry> next();

 private:
  class Shape;

  bool skip_blanks();
  Entry begin_entry();

  std::string text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;  // Of counted_.
  std::size_t counted_ = 0;
};

}  // namespace ipseckey::policylang
