#include "base/harmless.h"

#include <algorithm>

namespace ipseckey::text {
namespace {

constexpr bool is_printable(char c) { return c >= 0x20 && c < 0x7f; }
constexpr bool lays_out(char c) { return c == '\n' || c == '\t'; }

}  // namespace

bool is_harmless(std::string_view text) {
  // Without an early end, the compiler checks many characters at once.
  unsigned harmful = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // Not printable, and neither a line feed nor a tabulator.
    harmful |= static_cast<unsigned>(static_cast<unsigned char>(byte - 0x20) > 0x7e - 0x20) &
               static_cast<unsigned>(byte != '\n') & static_cast<unsigned>(byte != '\t');
  }
  return harmful == 0;
}

void append_harmless(char c, std::string& out) {
  if (is_printable(c)) {
    out += c;
    return;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += kDigits[byte >> 4u];
  out += kDigits[byte & 15u];
}

std::string harmless(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (lays_out(c)) {
      out += c;
    } else {
      append_harmless(c, out);
    }
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    append_harmless(c, out);
  }
  return out;
}

}  // namespace ipseckey::text
