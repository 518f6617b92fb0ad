#pragma once
/// Aligned lines of a label and a value, appended to a string that may come to hold keys.
#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace pfkey {

/// Appends text to out. When out has to move to a bigger place, the old one is wiped first.
void append_wiping(std::string& out, std::string_view text);

/// Appends octets as lower-case hexadecimal digits, without a branch or look-up that depends on them.
void append_hex(std::string& out, Bytes octets);

/// Writes "  label     value\n". The caller wipes `out` if keys went into it.
class Lines {
 public:
  static constexpr std::size_t kIndent = 2, kLabel = 10;  ///< Columns. With a 256-bit key a line has 80.

  explicit Lines(std::string& out) : out_(out) {}

  /// A whole line; an empty label continues the line before.
  void line(std::string_view label, std::string_view value);

  // A line in pieces.
  void begin(std::string_view label);
  void text(std::string_view piece) { append_wiping(out_, piece); }
  /// Octets in hexadecimal; `hidden`: an X for each digit.
  void hex(Bytes octets, bool hidden);
  void end() { text("\n"); }

 private:
  std::string& out_;
};

}  // namespace pfkey
