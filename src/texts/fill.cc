// How a template is filled from tables:
// 1. Filler reads it line by line; @version@ becomes the version, and a line without a directive is copied.
// 2. `@each TABLE FIELD=VALUE` opens a block: the lines up to `@end` are written once for each row that has these
//    values.
// 3. `@more ROW` and `@before ROW` begin lines that are written after or before that row.
// 4. write() replaces {{field}} and {{field|filter}}; a line whose parts are all empty is left out.
// 5. A name that no table, row, field or filter has is an error, with the line's number.
#include "texts/fill.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "texts/filters.h"

namespace ipseckey::texts {
namespace {

using Lines = std::map<std::string, std::string, std::less<>>;  // Name of a row, and the text beside it.

/// A block between @each and @end.
struct Block {
  const std::vector<Row>* rows = nullptr;
  std::vector<std::pair<std::string, std::string>> which;  // Fields and the values that they must have.
  std::vector<std::string> body;
  Lines more, before;
};

// The next word of a directive.
std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

class Filler {
 public:
  Filler(const Tables& tables, std::string_view version) : tables_(tables), version_(version) {}

  Result<std::string> run(std::string_view text) {
    while (!text.empty()) {
      const auto end = text.find('\n');
      ++number_;
      if (auto done = take(with_version(text.substr(0, end))); !done) return std::unexpected(done.error());
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (block_) return wrong("@each without its @end");
    return std::move(out_);
  }

 private:
  std::unexpected<Error> wrong(std::string_view why) const {
    return fail(Errc::syntax, fmt::format("line {}: {}", number_, why));
  }

  std::string with_version(std::string_view line) const {
    constexpr std::string_view kMark = "@version@";
    const auto at = line.find(kMark);
    if (at == std::string_view::npos) return std::string(line);
    return fmt::format("{}{}{}", line.substr(0, at), version_, line.substr(at + kMark.size()));
  }

  Result<void> take(const std::string& line) {
    if (!line.starts_with('@')) return plain(line);
    std::string_view rest = line;
    const std::string_view direction = next_word(rest);
    if (direction == "@each" && !block_) return open(rest);
    if (direction == "@end" && block_) return close();
    if (direction == "@more" && block_) return beside(block_->more, rest);
    if (direction == "@before" && block_) return beside(block_->before, rest);
    return wrong(fmt::format("{} is not allowed here", direction));
  }

  Result<void> plain(const std::string& line) {
    if (!block_) {
      out_ += line + '\n';
    } else if (beside_) {
      *beside_ += line + '\n';
    } else {
      block_->body.push_back(line);
    }
    return {};
  }

  Result<void> open(std::string_view rest) {
    const std::string_view kind = next_word(rest);
    const auto found = tables_.find(kind);
    if (found == tables_.end() || found->second.empty()) return wrong(fmt::format("there is no table {}", kind));
    block_.emplace();
    block_->rows = &found->second;
    for (std::string_view which = next_word(rest); !which.empty(); which = next_word(rest)) {
      const auto equals = std::min(which.find('='), which.size());
      const std::string field(which.substr(0, equals));
      if (!found->second.front().contains(field))
        return wrong(fmt::format("the rows of {} have no field {}", kind, field));
      block_->which.emplace_back(field, which.substr(std::min(equals + 1, which.size())));
    }
    return {};
  }

  Result<void> beside(Lines& lines, std::string_view rest) {
    const std::string_view name = next_word(rest);
    const auto is_that = [&](const Row& row) { return chosen(row) && row.at("name") == name; };
    if (std::ranges::none_of(*block_->rows, is_that)) return wrong(fmt::format("there is no row {}", name));
    const auto [at, added] = lines.try_emplace(std::string(name));
    if (!added) return wrong(fmt::format("{} is given twice", name));
    beside_ = &at->second;
    return {};
  }

  bool chosen(const Row& row) const {
    return std::ranges::all_of(block_->which, [&](const auto& which) { return row.at(which.first) == which.second; });
  }

  Result<void> close() {
    const auto add = [&](const Lines& lines, const Row& row) {
      if (const auto found = lines.find(row.at("name")); found != lines.end()) out_ += found->second;
    };
    for (const Row& row : *block_->rows) {
      if (!chosen(row)) continue;
      add(block_->before, row);
      for (const std::string& line : block_->body)
        if (auto done = write(line, row); !done) return done;
      add(block_->more, row);
    }
    block_.reset();
    beside_ = nullptr;
    return {};
  }

  // Single braces are text of the template.
  Result<void> write(std::string_view line, const Row& row) {
    std::string written;
    bool has_part = false, has_text = false;
    while (!line.empty()) {
      const auto open = std::min(line.find("{{"), line.size());
      written += line.substr(0, open);
      line.remove_prefix(open);
      if (line.empty()) break;
      const auto close = line.find("}}");
      if (close == std::string_view::npos) return wrong("{{ without its }}");
      const auto text = part(line.substr(2, close - 2), row);
      if (!text) return std::unexpected(text.error());
      has_part = true;
      has_text |= !text->empty();
      written += *text;
      line.remove_prefix(close + 2);
    }
    if (has_part && !has_text) return {};
    written.erase(written.find_last_not_of(' ') + 1);
    out_ += written + '\n';
    return {};
  }

  Result<std::string> part(std::string_view text, const Row& row) const {
    const auto bar = text.find('|');
    const auto field = row.find(text.substr(0, bar));
    if (field == row.end()) return wrong(fmt::format("there is no field {}", text.substr(0, bar)));
    if (bar == std::string_view::npos) return field->second;
    const Filter* const filter = find_filter(text.substr(bar + 1));
    if (!filter) return wrong(fmt::format("there is no filter {}", text.substr(bar + 1)));
    return filter->apply(field->second);
  }

  const Tables& tables_;
  std::string_view version_;
  std::string out_;
  std::optional<Block> block_;
  std::string* beside_ = nullptr;
  std::size_t number_ = 0;
};

}  // namespace

Result<std::string> fill(std::string_view text, const Tables& tables, std::string_view version) {
  return Filler(tables, version).run(text);
}

}  // namespace ipseckey::texts
