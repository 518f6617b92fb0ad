// The lifetimes of an SA as text:
// 1. columns() lists the columns: what is used up, then the soft, hard and idle limits.
// 2. Table collects rows of one cell for each column and prints them aligned; a row without any value is left out.
// 3. size_rows() and time_rows() make the rows of bytes, flows and seconds; --verbose adds the raw numbers.
// 4. print_due() works out when the earlier of two time limits is reached.
// 5. print_default_idle() prints the idle limit that applies if none was given.
#include "pfkey/lifetimes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>

#include "pfkey/units.h"

namespace ipseckey::pfkey {
namespace {

struct Column {
  std::string_view title;
  const Lifetime* lifetime = nullptr;
  bool current = false;  ///< What is used up, not a limit.
};

struct Columns {
  std::array<Column, 4> all;
  std::size_t count = 0;

  std::span<const Column> present() const { return std::span(all).first(count); }
};

Columns columns(const Message& m) {
  Columns out;
  if (m.current) out.all[out.count++] = {"current", &*m.current, true};
  for (const auto& [title, limit] :
       {std::pair{"soft", &m.soft}, std::pair{"hard", &m.hard}, std::pair{"idle", &m.idle}})
    if (*limit && !(*limit)->empty()) out.all[out.count++] = {title, &**limit, false};
  return out;
}

class Table {
 public:
  Table(std::span<const Column> columns, Lines& lines) : columns_(columns), lines_(lines) {
    row("lifetime", [](const Column& c) { return std::string(c.title); });
  }

  // A row whose cells are all empty is left out; single empty cells read "-".
  template <class Cell>
  void row(std::string_view label, Cell cell) {
    Row& row = rows_[count_];
    row.label = label;
    bool any = false;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      row.cells[i] = cell(columns_[i]);
      any = any || !row.cells[i].empty();
      if (row.cells[i].empty()) row.cells[i] = "-";
    }
    if (any) ++count_;
  }

  void print() const {
    constexpr std::size_t kGap = 2;
    const std::span rows = std::span(rows_).first(count_);
    std::size_t label_width = 0;
    std::array<std::size_t, kColumns> widths{};
    for (const Row& row : rows) {
      label_width = std::max(label_width, row.label.size());
      for (std::size_t i = 0; i < columns_.size(); ++i) widths[i] = std::max(widths[i], row.cells[i].size());
    }
    for (const Row& row : rows) {
      lines_.pad(Lines::kIndent);
      lines_.text(row.label);
      std::size_t missing = label_width - row.label.size();
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        lines_.pad(missing + kGap);
        lines_.text(row.cells[i]);
        missing = widths[i] - row.cells[i].size();
      }
      lines_.end();
    }
  }

 private:
  static constexpr std::size_t kColumns = 4, kRows = 10;

  struct Row {
    std::string_view label;
    std::array<std::string, kColumns> cells;
  };

  std::span<const Column> columns_;
  std::array<Row, kRows> rows_;
  std::size_t count_ = 0;
  Lines& lines_;
};

// Seconds since an event at `then`; nothing when it did not happen or the time is not known.
std::optional<std::uint64_t> age(std::uint64_t then, const PrintOptions& options) {
  if (!options.now || then == 0) return std::nullopt;
  const std::uint64_t now = seconds_since_1970(*options.now);
  return now > then ? now - then : 0;
}

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// The earlier of the two times at which a limit of seconds is reached (RFC 2367 section 2.3.2).
std::optional<std::uint64_t> due(const Lifetime& current, const Lifetime& limit) {
  std::optional<std::uint64_t> when;
  if (limit.addtime != 0) when = saturating_add(current.addtime, limit.addtime);
  if (limit.usetime != 0 && current.usetime != 0)
    when = std::min(when.value_or(UINT64_MAX), saturating_add(current.usetime, limit.usetime));
  return when;
}

std::string moment(std::uint64_t when, const PrintOptions& options) {
  return local_time_text(when) + (options.verbose ? fmt::format(" ({})", when) : "");
}

void print_due(std::string_view label, const Message& m, const std::optional<Lifetime>& limit,
               const PrintOptions& options, Lines& lines) {
  if (!m.current || !limit) return;
  const auto when = due(*m.current, *limit);
  if (!when) return;
  std::string text = moment(*when, options);
  if (options.now) {
    const std::uint64_t now = seconds_since_1970(*options.now);
    text += *when > now ? ", in " + duration_text(*when - now) : ", which is past";
    if (options.verbose && *when > now) text += fmt::format(" ({} seconds)", *when - now);
  }
  lines.line(label, text);
}

// A reply carries an idle limit only if one was set (doc/reference/pf-key.md).
void print_default_idle(const Message& m, const PrintOptions& options, Lines& lines) {
  if (!options.idles || !m.current || !m.hard || (m.idle && !m.idle->empty())) return;
  const std::uint64_t half = m.hard->addtime / 2;
  if (half == 0) return;
  const std::string raw = options.verbose ? fmt::format(" ({} seconds)", half) : "";
  lines.line("idle", fmt::format("after {}{} without use: the default, half of hard", duration_text(half), raw));
}

using Member = std::uint64_t Lifetime::*;

void size_rows(Table& table, const Message& m, const PrintOptions& options) {
  table.row("  bytes",
            [](const Column& c) { return c.current || c.lifetime->bytes != 0 ? size_text(c.lifetime->bytes) : ""; });
  if (options.verbose)
    table.row("    in bytes", [](const Column& c) {
      return c.current || c.lifetime->bytes != 0 ? fmt::to_string(c.lifetime->bytes) : "";
    });
  const auto left = [&](const Column& c) -> std::optional<std::uint64_t> {
    if (c.current || !m.current || c.lifetime->bytes == 0) return std::nullopt;
    return c.lifetime->bytes - std::min(c.lifetime->bytes, m.current->bytes);
  };
  table.row("  bytes left", [&](const Column& c) { return left(c) ? size_text(*left(c)) : ""; });
  if (options.verbose)
    table.row("    in bytes", [&](const Column& c) { return left(c) ? fmt::to_string(*left(c)) : ""; });
  table.row("  allocations", [](const Column& c) {
    return c.lifetime->allocations != 0 ? fmt::to_string(c.lifetime->allocations) : "";
  });
}

void time_rows(Table& table, std::string_view label, Member member, const PrintOptions& options) {
  const auto value = [&](const Column& c) -> std::optional<std::uint64_t> {
    if (c.current) return age(c.lifetime->*member, options);
    if (c.lifetime->*member == 0) return std::nullopt;
    return c.lifetime->*member;
  };
  table.row(label, [&](const Column& c) { return value(c) ? duration_text(*value(c)) : ""; });
  if (options.verbose)
    table.row("    in seconds", [&](const Column& c) { return value(c) ? fmt::to_string(*value(c)) : ""; });
}

}  // namespace

void print_lifetimes(const Message& m, const PrintOptions& options, Lines& lines) {
  const Columns shown = columns(m);
  if (shown.count == 0) return;
  Table table(shown.present(), lines);
  size_rows(table, m, options);
  time_rows(table, "  since add", &Lifetime::addtime, options);
  time_rows(table, "  since first use", &Lifetime::usetime, options);
  table.print();
  if (m.current) {
    if (m.current->addtime != 0) lines.line("added", moment(m.current->addtime, options));
    lines.line("first use", m.current->usetime != 0 ? moment(m.current->usetime, options) : "not yet");
  }
  print_due("soft due", m, m.soft, options, lines);
  print_due("hard due", m, m.hard, options, lines);
  print_default_idle(m, options, lines);
}

std::string limits_text(const Lifetime& limits) {
  std::string out;
  const auto add = [&](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  if (limits.bytes != 0) add(size_text(limits.bytes));
  if (limits.allocations != 0) add(fmt::format("{} allocations", limits.allocations));
  if (limits.addtime != 0) add(duration_text(limits.addtime) + " after add");
  if (limits.usetime != 0) add(duration_text(limits.usetime) + " after first use");
  return out.empty() ? "no limit" : out;
}

}  // namespace ipseckey::pfkey
