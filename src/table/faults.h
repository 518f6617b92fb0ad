#pragma once
/// Faults of a text: where, what, and how a person sees them. Nothing here shows a key.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/language.h"
#include "table/syntax.h"

namespace ipseckey::table {

enum class Severity : std::uint8_t { warning, error };

/// One fault, placed in the text of its command.
struct Fault {
  Severity severity = Severity::error;
  std::uint32_t at = 0;            ///< Offset in the command's text, bytes.
  std::uint32_t length = 1;        ///< Of the offending word, bytes.
  std::string message;             ///< Without a full stop, without key material.
  bool fresh_keys_end_it = false;  ///< A warning that `fresh` silences.
  bool always_shown = false;       ///< A warning that is shown however many like it there are.
};
using Faults = std::vector<Fault>;

bool has_errors(const Faults& faults);

/// Whether a word contains a run of hexadecimal digits that may be a piece of a key, or consists only of groups of
/// them.
bool like_a_key(std::string_view word);

/// Whether a command's text contains a key or what may be one: a secret keyword or a similar word; hexadecimal digits,
/// in a row or in groups, that are neither an address nor a small number; or a quotation mark that is not closed.
bool may_hold_key(const Language& language, std::string_view text);

/// Whether the word is one of the language or of its neighbours; case is ignored.
bool is_known(const Language& language, std::string_view word);

/// Decides which words of a command may be shown. A key can appear in any place where a person mistyped, in one piece
/// or in groups of digits, so a word is shown if it is known to the language or is certainly not a key. Never shown
/// are words after a key's keyword, or after what seems meant as one, up to the next keyword; groups of hexadecimal
/// digits that together may be a piece of a key, and the unknown words before, between and after them.
class Echo {
 public:
  Echo(const Language& language, Words words);

  /// Whether this word may be shown, or disclosed by a suggestion that is similar to it.
  bool shows(const Word& word) const;
  /// Whether anything seems to be a key.
  bool has_key() const { return has_key_; }
  /// A word where a name or the head of an entry was expected: quoted, or "(not shown: ...)".
  std::string unknown(const Word& word) const;
  /// A word that was read as a value that is not a key: quoted, or "the value".
  std::string value(const Word& word) const;
  /// The text with each character of each word that may not be shown replaced by *, columns unchanged.
  std::string masked(std::string_view text) const;

 private:
  struct Look;  // What a word seems to be.

  void hide_groups(std::span<Look> looks);

  const Language& language_;
  Words words_;
  std::vector<bool> shown_;
  bool has_key_ = false;
};

/// The message without the words of the command, except those of the language: for a log that others can read.
std::string without_text(const Language& language, std::string_view message, std::string_view text);

/// Where a command's text comes from.
struct Origin {
  std::string_view name;   ///< File name, or "<stdin>"; empty: a prompt or the shell, where lines are not counted.
  std::uint32_t line = 1;  ///< Number of the text's first line.
};

/// Line and column of an offset, both from 1. Columns count bytes.
struct Position {
  std::uint32_t line, column;
};
Position position_of(std::string_view text, std::uint32_t offset, const Origin& origin);

/// "FILE:LINE:COLUMN: error: message", and with `caret` the source line, masked, with the word underlined.
void render(const Language& language, const Fault& fault, std::string_view text, const Origin& origin, bool caret,
            std::string& out);

}  // namespace ipseckey::table
