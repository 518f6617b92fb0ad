#include "pfkey/lines.h"

#include <string>

#include "base/hex.h"

namespace ipseckey::pfkey {

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
    out_.append(octets.size() * 2, 'X');
  } else {
    append_hex(out_, octets);
  }
}

}  // namespace ipseckey::pfkey
