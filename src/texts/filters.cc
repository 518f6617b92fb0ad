// The filters of templates: how {{field|filter}} writes a table's text; kFilters has the names:
// 1. mdoc, sentence: prose for a manual page: quotations, escapes, lines of the usual length.
// 2. args: words as arguments of a manual page: lower case is typed as it is, upper case is a placeholder.
// 3. list, lines, cases: words as a list, text on one line, words as the pattern of a shell's `case`.
// 4. sh, fish, zsh: text inside the quotes of that shell.
#include "texts/filters.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace ipseckey::texts {
namespace {

// The text with `prefix` before each of the characters.
std::string before_each(std::string_view text, std::string_view characters, std::string_view prefix) {
  std::string out;
  for (const char c : text) {
    if (characters.contains(c)) out += prefix;
    out += c;
  }
  return out;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what)) {
    out.append(text.substr(0, at)).append(with);
    text.remove_prefix(at + what.size());
  }
  return out.append(text);
}

std::string as_lines(std::string_view text) { return replaced(text, "\n", " "); }

// The text in lines of the length that is usual in manual pages.
std::string wrapped(std::string_view text) {
  constexpr std::size_t kLongest = 78;
  std::string out;
  std::size_t column = 0;
  text::for_each_word(text, [&](std::string_view word) {
    const bool breaks = column + word.size() >= kLongest && word[0] != '.' && word[0] != '\'';
    if (column > 0) out += breaks ? '\n' : ' ';
    column = breaks ? word.size() : column + 1 + word.size();
    out += word;
  });
  return out;
}

// `word` becomes a quotation; backslashes are escaped, and a line cannot begin with a macro.
std::string as_mdoc(std::string_view text) {
  std::string out;
  bool opened = false;
  for (const char c : as_lines(text)) {
    if (c == '`') {
      out += opened ? "\\(cq" : "\\(oq";
      opened = !opened;
    } else if (c == '\\') {
      out += "\\e";
    } else {
      out += c;
    }
  }
  return wrapped(out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out);
}

bool in_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'; }

// Lower case is typed as it is, upper case is a placeholder, the rest is punctuation.
void add_argument(std::string_view word, std::string& out) {
  bool first = true;
  while (!word.empty()) {
    const auto end = static_cast<std::size_t>(
        std::ranges::find_if(word, [&](char c) { return in_word(c) != in_word(word[0]); }) - word.begin());
    const std::string_view piece = word.substr(0, end);
    if (!out.empty()) out += first ? " " : " Ns ";
    if (piece.starts_with("--")) {
      out += "Fl Fl " + std::string(piece.substr(2));
    } else if (!in_word(piece[0]) || piece == "-") {
      out += "No \\&" + std::string(piece) + "\\&";
    } else {
      out += (piece[0] >= 'a' ? "Cm " : "Ar ") + std::string(piece);
    }
    word.remove_prefix(end);
    first = false;
  }
}

// "-f", "--file" and "--file=FILE".
void add_flag(std::string_view word, std::string& out) {
  const auto equals = std::min(word.find('='), word.size());
  if (!out.empty()) out += ' ';
  out += word.starts_with("--") ? "Fl Fl " : "Fl ";
  out += word.substr(word.starts_with("--") ? 2 : 1, equals - (word.starts_with("--") ? 2 : 1));
  if (equals == word.size()) return;
  out += " Ns = Ns";
  add_argument(word.substr(equals + 1), out);
}

std::string as_arguments(std::string_view text) {
  std::string out;
  text::for_each_word(text, [&](std::string_view word) {
    if (word == ",") {
      out += " ,";
    } else if (word.starts_with('-')) {
      add_flag(word, out);
    } else {
      add_argument(word, out);
    }
  });
  return out;
}

// The same as a sentence.
std::string as_sentence(std::string_view text) {
  std::string out = as_mdoc(text);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out.empty() || out.ends_with('.') ? out : out + '.';
}

std::string as_list(std::string_view text) {
  std::string out;
  text::for_each_word(text, [&](std::string_view word) {
    if (!out.empty()) out += " , ";
    if (!in_word(word[0])) out += "\\&";  // Not punctuation: a name.
    out += word;
  });
  return out;
}
// 'help'|'?'
std::string as_cases(std::string_view text) {
  std::string out;
  text::for_each_word(text, [&](std::string_view word) {
    out += out.empty() ? "'" : "|'";
    out.append(word).append("'");
  });
  return out;
}

std::string in_sh(std::string_view text) { return replaced(as_lines(text), "'", R"('\'')"); }
std::string in_fish(std::string_view text) { return before_each(as_lines(text), "\\'", "\\"); }
std::string in_zsh(std::string_view text) { return in_sh(before_each(text, "\\[]:", "\\")); }

constexpr std::array kFilters = {
    Filter{"mdoc", as_mdoc}, Filter{"sentence", as_sentence}, Filter{"args", as_arguments},
    Filter{"list", as_list}, Filter{"lines", as_lines},       Filter{"sh", in_sh},
    Filter{"fish", in_fish}, Filter{"zsh", in_zsh},           Filter{"cases", as_cases},
};

}  // namespace

const Filter* find_filter(std::string_view name) {
  const auto* const found = std::ranges::find(kFilters, name, &Filter::name);
  return found == kFilters.end() ? nullptr : found;
}

}  // namespace ipseckey::texts
