#include "base/id_map.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace ipseckey::id_map {
namespace {

// Reads the next number and removes it from the text.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ')));
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// One line: 0 maps to 0, for every number but -1.
bool knows_all(std::string_view map) {
  for (const std::uint32_t wanted : {0u, 0u, UINT32_MAX})
    if (take_number(map) != wanted) return false;
  return map.empty() || map == "\n";
}

}  // namespace

std::optional<std::uint32_t> stranger(std::string_view map, std::string_view overflow) {
  constexpr std::uint32_t kUsual = 65534;
  if (knows_all(map)) return std::nullopt;
  return take_number(overflow).value_or(kUsual);
}

}  // namespace ipseckey::id_map
