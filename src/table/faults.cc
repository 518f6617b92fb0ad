#include "table/faults.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/harmless.h"

namespace ipseckey::table {
namespace {

std::string_view severity_word(Severity s) { return s == Severity::error ? "error" : "warning"; }

}  // namespace

bool has_errors(const Faults& faults) {
  return std::ranges::any_of(faults, [](const Fault& f) { return f.severity == Severity::error; });
}

std::string without_text(const Language& language, std::string_view message, std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n\v\f\"'/:=,@()\\$", kAround = " \"'(),;", kAfter = ".:?";
  constexpr std::size_t kTooShort = 4;  // Shorter pieces are small numbers, which messages contain anyway.
  std::vector<std::string_view> pieces;
  const auto pieces_of = [&](std::string_view all, std::string_view between) {
    while (!all.empty()) {
      const auto end = std::min(all.find_first_of(between), all.size());
      const std::string_view piece = all.substr(0, end);
      const bool number = piece.find_first_not_of("0123456789") == std::string_view::npos;
      if (!piece.empty() && !is_known(language, piece) && !(number && piece.size() <= kTooShort))
        pieces.push_back(piece);
      if (piece.starts_with('@')) pieces.push_back(piece.substr(1));  // A key's file, as messages name it.
      all.remove_prefix(std::min(end + 1, all.size()));
    }
  };
  pieces_of(text, kBetween);
  pieces_of(text, " \t\r\n\v\f\"");
  std::string out;
  bool quoted = false;
  while (!message.empty()) {
    const auto end = std::min(message.find_first_of(quoted ? std::string_view("\"") : kAround), message.size());
    std::string_view token = message.substr(0, end), after;
    if (!quoted && !token.empty() && kAfter.find(token.back()) != std::string_view::npos)
      after = token.substr(token.size() - 1), token.remove_suffix(1);
    const bool hidden = quoted ? !is_known(language, token) : std::ranges::find(pieces, token) != pieces.end();
    out.append(hidden && !token.empty() ? "..." : token).append(after);
    if (end < message.size()) out += message[end], quoted ^= message[end] == '"';
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return out;
}

Position position_of(std::string_view text, std::uint32_t offset, const Origin& origin) {
  const std::string_view before = text.substr(0, offset);
  const auto newline = before.rfind('\n');
  return {origin.line + static_cast<std::uint32_t>(std::ranges::count(before, '\n')),
          static_cast<std::uint32_t>(before.size() - (newline == std::string_view::npos ? 0 : newline + 1)) + 1};
}

void render(const Language& language, const Fault& fault, std::string_view text, const Origin& origin, bool caret,
            std::string& out) {
  const Position p = position_of(text, fault.at, origin);
  if (!origin.name.empty()) {
    out += fmt::format("{}:{}:{}: ", text::escaped(origin.name), p.line, p.column);
  } else if (!caret) {
    out += fmt::format("column {}: ", p.column);
  }
  out += fmt::format("{}: {}\n", severity_word(fault.severity), fault.message);
  if (!caret) return;

  std::vector<Word> words;
  const bool whole = !split(text, words);
  const std::string shown = whole ? Echo(language, words).masked(text) : std::string(text.size(), '*');
  const std::size_t begin = fault.at + 1 - p.column;
  std::string line = shown.substr(begin, std::min(shown.find('\n', begin), shown.size()) - begin);
  // A long line is cut to a window around the fault, so that the mark stays on the screen.
  constexpr std::size_t kWidth = 100, kBefore = 50;
  std::size_t column = p.column - 1;
  if (line.size() > kWidth) {
    const std::size_t from = column > kBefore ? column - kBefore : 0;
    line = line.substr(from, kWidth);
    column -= from;
  }
  const std::size_t room = line.size() > column ? line.size() - column : 1;
  const std::size_t marks = std::clamp<std::size_t>(fault.length, 1, room);
  out +=
      fmt::format("{:>6} | {}\n       | {}^{}\n", p.line, line, std::string(column, ' '), std::string(marks - 1, '~'));
}

}  // namespace ipseckey::table
