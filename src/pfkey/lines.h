#pragma once
/// Aligned lines of a label and a value, appended to text that may come to hold keys.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/secret_text.h"

namespace ipseckey::pfkey {

/// Writes "  label     value\n".
class Lines {
 public:
  static constexpr std::size_t kIndent = 2, kLabel = 10;  ///< Columns. With a 256-bit key a line has 80.

  explicit Lines(SecretText& out) : out_(out) {}

  /// A whole line; an empty label continues the line before.
  void line(std::string_view label, std::string_view value);

  // A line in pieces.
  void begin(std::string_view label);
  void text(std::string_view piece) { out_ += piece; }
  void pad(std::size_t blanks) { out_.append(blanks, ' '); }
  /// In decimal, or hexadecimal digits without a prefix.
  void number(std::uint64_t n, int base = 10);
  /// Octets in hexadecimal; `hidden`: an X for each digit.
  void hex(Bytes octets, bool hidden);
  void end() { text("\n"); }

 private:
  SecretText& out_;
};

}  // namespace ipseckey::pfkey
