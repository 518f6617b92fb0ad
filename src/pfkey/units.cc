#include "pfkey/units.h"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

#include "base/harmless.h"

namespace ipseckey::pfkey {
namespace {

struct Unit {
  double size;  ///< In the smallest unit.
  std::string_view one, many;
};

constexpr std::array kSizes = {
    Unit{0x1p10, "KiB", "KiB"}, Unit{0x1p20, "MiB", "MiB"}, Unit{0x1p30, "GiB", "GiB"},
    Unit{0x1p40, "TiB", "TiB"}, Unit{0x1p50, "PiB", "PiB"}, Unit{0x1p60, "EiB", "EiB"},
};
constexpr std::array kTimes = {Unit{60, "minute", "minutes"}, Unit{3600, "hour", "hours"}, Unit{86400, "day", "days"}};

// The biggest unit of which there is at least one; the next one where rounding would reach it ("1024.00 KiB").
std::string in_units(std::uint64_t value, std::span<const Unit> units, std::string_view base) {
  constexpr double kHalfStep = 0.005;
  const auto v = static_cast<double>(value);
  const Unit* unit = nullptr;
  for (const Unit& u : units)
    if (v >= u.size || (unit && v + kHalfStep * unit->size >= u.size)) unit = &u;
  std::array<char, 32> digits{};
  if (!unit) {
    std::string text(digits.data(), std::to_chars(digits.data(), digits.end(), value).ptr);
    text.append(" ").append(base);
    return value == 1 ? text : text.append("s");
  }
  const auto end = std::to_chars(digits.data(), digits.end(), v / unit->size, std::chars_format::fixed, 2).ptr;
  std::string text(digits.data(), end);
  const std::string_view name = text == "1.00" ? unit->one : unit->many;
  return text.append(" ").append(name);
}

void append_digits(std::string& out, int number, std::size_t least) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.end(), number).ptr;
  const auto size = static_cast<std::size_t>(end - digits.data());
  if (size < least) out.append(least - size, '0');
  out.append(digits.data(), size);
}

// "%Y-%m-%d %H:%M:%S %Z"; strftime() takes several times as long.
std::string calendar_text(const tm& when) {
  std::string out;
  out.reserve(32);
  append_digits(out, when.tm_year + 1900, 1);
  for (const auto& [sign, number] :
       {std::pair{'-', when.tm_mon + 1}, std::pair{'-', when.tm_mday}, std::pair{' ', when.tm_hour},
        std::pair{':', when.tm_min}, std::pair{':', when.tm_sec}}) {
    out += sign;
    append_digits(out, number, 2);
  }
  return out.append(" ").append(when.tm_zone);
}

}  // namespace

std::string size_text(std::uint64_t bytes) { return in_units(bytes, kSizes, "byte"); }

std::string duration_text(std::uint64_t seconds) { return in_units(seconds, kTimes, "second"); }

std::string local_time_text(std::uint64_t epoch_seconds) {
  tm calendar{};
  if (epoch_seconds <= static_cast<std::uint64_t>(std::numeric_limits<time_t>::max())) {
    const auto when = static_cast<time_t>(epoch_seconds);
    // The year 2147483647 is the last whose number fits.
    constexpr int kLastYear = std::numeric_limits<int>::max() - 1900;
    if (localtime_r(&when, &calendar) && calendar.tm_year <= kLastYear) return calendar_text(calendar);
  }
  return fmt::format("{} seconds after 1970", epoch_seconds);
}

std::string escaped(std::string_view foreign) { return text::escaped(foreign); }

std::string in_quotes(std::string_view text) { return '"' + escaped(text) + '"'; }

}  // namespace ipseckey::pfkey
