#pragma once
/// Faults of a command: where, what, and how a person sees them. Nothing here shows a key.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lang/words.h"

namespace lang {

enum class Severity : std::uint8_t { warning, error };

/// One fault, placed in the text of its command.
struct Fault {
  Severity severity = Severity::error;
  std::uint32_t at = 0;      ///< Offset in the command's text, bytes.
  std::uint32_t length = 1;  ///< Of the offending word, bytes.
  std::string message;       ///< Without a full stop, without key material.
};
using Faults = std::vector<Fault>;

bool has_errors(const Faults& faults);

/// Whether a word holds a run of hexadecimal digits that may be a piece of a key.
bool like_a_key(std::string_view word);

/// Whether a command's text has a key in it, or what may be one: a secret keyword or a slip of the finger that looks
/// like one, a run of hexadecimal digits that is no address and no small number, a quotation mark that is not closed.
bool may_hold_key(std::string_view text);

/// Decides which words of a command may be shown. A key can stand in any place where a person mistyped, so a word is
/// shown if it is known to the language or is plainly no key; in a command with a key (or something like a key's
/// keyword) only words that are known, or nearly known, are.
class Echo {
 public:
  explicit Echo(std::span<const Word> words);

  /// A word where a keyword or a command was expected: quoted, or "(not shown: ...)".
  std::string unknown(const Word& word) const;
  /// A word that was read as the value of a keyword that is not a key: quoted, or "the value".
  std::string value(const Word& word) const;
  /// The text with each character of each word that may not be shown replaced by *, columns unchanged.
  std::string masked(std::string_view text) const;

 private:
  bool may_show(const Word& word, bool as_value) const;

  std::span<const Word> words_;
  bool has_key_ = false;
};

/// The message without anything of the command's text but what is of the language itself: for a log that others read.
std::string without_text(std::string_view message, std::string_view text);

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
void render(const Fault& fault, std::string_view text, const Origin& origin, bool caret, std::string& out);

}  // namespace lang
