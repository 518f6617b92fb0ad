#include "pfkey/lines.h"

#include <span>
#include <string>

#include "base/secret.h"

namespace pfkey {

void append_hex(SecretText& out, Bytes octets) {
  // 0-9 and a-f differ by 39 beyond the digit's own distance; (9 - n) >> 8 is all ones for n > 9.
  const auto digit = [](unsigned n) { return static_cast<char>('0' + n + (((9u - n) >> 8) & 39u)); };
  for (const std::byte octet : octets) {
    const auto n = std::to_integer<unsigned>(octet);
    char pair[] = {digit(n >> 4), digit(n & 15u)};
    out.append(pair, 2);
    wipe(std::as_writable_bytes(std::span(pair)));
  }
}

void Lines::line(std::string_view label, std::string_view value) {
  begin(label);
  text(value);
  end();
}

void Lines::begin(std::string_view label) {
  std::string column(kIndent, ' ');
  column += label;
  // A label that fills its column still keeps one blank from its value.
  column.append(label.size() < kLabel ? kLabel - label.size() : 1, ' ');
  text(column);
}

void Lines::hex(Bytes octets, bool hidden) {
  if (hidden) {
    text(std::string(octets.size() * 2, 'X'));
  } else {
    append_hex(out_, octets);
  }
}

}  // namespace pfkey
