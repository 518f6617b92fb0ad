#pragma once
/// A command's text cut into words: views into the caller's buffer, which holds keys and is never copied.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey::table {

/// One word of a command. In quotes, `text` is what is between them.
struct Word {
  enum class Kind : std::uint8_t { bare, quoted, escaped };
  std::string_view text;
  std::uint32_t at = 0;  ///< Offset of the word (of its quote) in the command's text.
  Kind kind = Kind::bare;
};

struct WordFault {
  std::uint32_t at;
  std::string_view message;
};

/// Cuts a command into words; `words` is emptied first. White space separates words, and so does a backslash at the end
/// of a line (blanks or a carriage return may follow it). A line inside the command whose first word begins with # is
/// skipped. "..." is one word, unchanged; $"..." is one word with the escapes \\ \" \n \r \t \xHH.
std::optional<WordFault> split(std::string_view text, std::vector<Word>& words);

/// The word's text with escapes resolved; nullopt: an escape is wrong.
std::optional<std::string> unescape(const Word& word);

/// Writes text so that split() and unescape() read the same text: bare if possible, else quoted. Characters other than
/// printable ASCII are escaped.
void write_quoted(std::string_view text, std::string& out);
/// The same, always in quotes.
void write_in_quotes(std::string_view text, std::string& out);

constexpr bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace ipseckey::table
