#include "pfkey/units.h"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <limits>
#include <span>

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
  if (!unit) return fmt::format("{} {}{}", value, base, value == 1 ? "" : "s");
  const std::string number = fmt::format("{:.2f}", v / unit->size);
  return fmt::format("{} {}", number, number == "1.00" ? unit->one : unit->many);
}

}  // namespace

std::string size_text(std::uint64_t bytes) { return in_units(bytes, kSizes, "byte"); }

std::string duration_text(std::uint64_t seconds) { return in_units(seconds, kTimes, "second"); }

std::string local_time_text(std::uint64_t epoch_seconds) {
  tm calendar{};
  std::array<char, 64> text{};
  if (epoch_seconds <= static_cast<std::uint64_t>(std::numeric_limits<time_t>::max())) {
    const auto when = static_cast<time_t>(epoch_seconds);
    if (localtime_r(&when, &calendar) && strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %Z", &calendar) > 0)
      return text.data();
  }
  return fmt::format("{} seconds after 1970", epoch_seconds);
}

std::string escaped(std::string_view foreign) { return text::escaped(foreign); }

std::string in_quotes(std::string_view text) { return '"' + escaped(text) + '"'; }

}  // namespace ipseckey::pfkey
