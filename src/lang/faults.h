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
  std::uint32_t at = 0;            ///< Offset in the command's text, bytes.
  std::uint32_t length = 1;        ///< Of the offending word, bytes.
  std::string message;             ///< Without a full stop, without key material.
  bool fresh_keys_end_it = false;  ///< A warning that `fresh` silences.
  bool always_shown = false;       ///< A warning that is shown however many like it there are.
};
using Faults = std::vector<Fault>;

bool has_errors(const Faults& faults);

/// Whether a word holds a run of hexadecimal digits that may be a piece of a key, or is nothing but groups of them.
bool like_a_key(std::string_view word);

/// Whether a command's text has a key in it, or what may be one: a secret keyword or a slip of the finger that looks
/// like one, hexadecimal digits in a row or in groups that are no address and no small number, a quotation mark that is
/// not closed.
bool may_hold_key(std::string_view text);

/// Whether the word is one of the language: a command, a keyword, an algorithm, an SA type, a state, an identity type.
bool is_known(std::string_view word);

/// Decides which words of a command may be shown. A key can stand in any place where a person mistyped, in one piece or
/// in groups of digits, so a word is shown if it is known to the language or is plainly no key. Never shown are words
/// behind a key's keyword, or behind what seems meant as one, up to the next keyword; groups of hexadecimal digits that
/// together may be a piece of a key, and the unknown words before, between and behind them.
class Echo {
 public:
  explicit Echo(std::span<const Word> words);

  /// Whether this one of the words may be shown, or named by what is near to it.
  bool shows(const Word& word) const;
  /// Whether anything seems to be a key.
  bool has_key() const { return has_key_; }
  /// A word where a keyword or a command was expected: quoted, or "(not shown: ...)".
  std::string unknown(const Word& word) const;
  /// A word that was read as the value of a keyword that is not a key: quoted, or "the value".
  std::string value(const Word& word) const;
  /// The text with each character of each word that may not be shown replaced by *, columns unchanged.
  std::string masked(std::string_view text) const;

 private:
  struct Look;  // What a word seems to be.

  void hide_groups(std::span<Look> looks);

  std::span<const Word> words_;
  std::vector<bool> shown_;
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
