#include "lang/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/cast.h"
#include "base/text.h"
#include "lang/json_commands.h"
#include "lang/lines.h"

namespace ipseckey::lang {
namespace {

constexpr std::size_t kBlanks = 64 * 1024;  // Bytes; a file that begins with more blanks is commands.

/// The start of a file, which was inspected but not read yet.
struct Head {
  SecretBuffer buffer;
  std::size_t filled = 0, given = 0;

  std::string_view text() const { return chars_of(buffer.bytes().first(filled)); }

  // False: all of it has been given.
  bool give(MutableBytes out, std::size_t& count) {
    if (given == filled) return false;
    count = std::min(out.size(), filled - given);
    std::ranges::copy(buffer.bytes().subspan(given, count), out.begin());
    given += count;
    if (given == filled) buffer = SecretBuffer();
    return true;
  }
};

// nullopt: the text so far does not decide it.
std::optional<bool> begins_json(std::string_view text) {
  if (text.size() < text::kByteOrderMark.size() && text::kByteOrderMark.starts_with(text)) return std::nullopt;
  if (text.starts_with(text::kByteOrderMark)) text.remove_prefix(text::kByteOrderMark.size());
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::nullopt;
  return text[first] == '{' || text[first] == '[';
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(Source::Fill fill) {
  const auto head = std::make_shared<Head>();
  head->buffer.grow(2 * kBlanks);
  std::optional<bool> json;
  while (!json && head->filled < kBlanks) {
    const auto got = fill(head->buffer.bytes().subspan(head->filled));
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    head->filled += *got;
    json = begins_json(head->text());
  }
  Source::Fill whole = [head, fill = std::move(fill)](MutableBytes out) -> Result<std::size_t> {
    std::size_t count = 0;
    return head->give(out, count) ? Result<std::size_t>(count) : fill(out);
  };
  if (json.value_or(false)) return std::make_unique<JsonCommands>(std::move(whole));
  return std::make_unique<LineReader>(std::move(whole));
}

std::string reason(Line::Kind kind) {
  if (kind == Line::Kind::too_long) return fmt::format("the command is longer than {} bytes", Source::kLongest);
  return "this line continues the comment above, which ends in a backslash: remove the backslash to run it";
}

}  // namespace ipseckey::lang
