// Keys are read eight digits at a time: every character at every place of a key.
#include <gmock/gmock.h>

#include <cctype>

#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

// The key of an SA in hexadecimal, or "refused".
std::string read_back(const std::string& key) {
  const auto outcome = testing::run("add esp spi 0x1000 src 192.0.2.1 dst 192.0.2.2 encralg blowfish encrkey " + key);
  if (outcome.messages.empty()) return "refused";
  std::string out;
  for (const std::byte b : outcome.messages[0].encrypt_key->material.bytes()) {
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

TEST(KeyDigits, EveryCharacterAtEveryPlace) {
  const std::string key = "0123456789abcdeffedc";  // Two groups of eight and a rest.
  EXPECT_EQ(read_back("0123456789ABCDEFFEDC"), key);
  for (std::size_t at = 0; at < key.size(); ++at)
    for (int c = 0x21; c < 256; ++c) {
      std::string spoiled = key;
      spoiled[at] = static_cast<char>(c);
      // A bit specifier, 0x, a continued line: they have tests of their own.
      if (c == '/' || (std::tolower(c) == 'x' && at == 1) || (c == '\\' && at + 1 == key.size())) continue;
      std::string expected = key;
      expected[at] = static_cast<char>(std::tolower(c));
      EXPECT_EQ(read_back(spoiled), std::isxdigit(c) ? expected : "refused") << at << ' ' << c;
    }
}

}  // namespace
}  // namespace ipseckey::lang
