#include "pfkey/lines.h"

#include <array>
#include <charconv>

#include "base/hex.h"

namespace ipseckey::pfkey {

void Lines::line(std::string_view label, std::string_view value) {
  begin(label);
  text(value);
  end();
}

void Lines::begin(std::string_view label) {
  out_.append(kIndent, ' ');
  text(label);
  // A label that fills its column still keeps one blank from its value.
  pad(label.size() < kLabel ? kLabel - label.size() : 1);
}

void Lines::number(std::uint64_t n, int base) {
  std::array<char, 24> digits{};
  text({digits.data(), std::to_chars(digits.data(), digits.end(), n, base).ptr});
}

void Lines::hex(Bytes octets, bool hidden) {
  if (hidden) {
    out_.append(octets.size() * 2, 'X');
  } else {
    append_hex(out_, octets);
  }
}

}  // namespace ipseckey::pfkey
