#include "base/hex.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/text.h"

namespace ipseckey {

namespace {

std::vector<std::byte> naively(std::string digits) {
  if (digits.size() % 2 != 0) digits += '0';
  std::vector<std::byte> octets;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    octets.push_back(static_cast<std::byte>(text::hex_digit(digits[i]) * 16 + text::hex_digit(digits[i + 1])));
  return octets;
}

std::vector<std::byte> room_for(std::string_view digits) { return std::vector<std::byte>((digits.size() + 1) / 2); }

TEST(Hex, IsReadTheSameInAnyLengthAndCase) {
  std::mt19937 random(7);
  for (std::size_t length = 0; length <= 70; ++length) {
    std::string digits;
    while (digits.size() < length) digits += "0123456789abcdefABCDEF"[random() % 22];
    auto octets = room_for(digits);
    EXPECT_TRUE(read_hex(digits, octets)) << digits;
    EXPECT_EQ(octets, naively(digits)) << digits;
    EXPECT_TRUE(all_hex(digits)) << digits;
  }
}

TEST(Hex, EveryOtherCharacterIsRefusedInEveryPosition) {
  const std::string digits(35, '5');  // Some strides, a pair and an odd digit.
  for (std::size_t at = 0; at < digits.size(); ++at)
    for (int c = 0; c < 256; ++c) {
      std::string text = digits;
      text[at] = static_cast<char>(c);
      auto octets = room_for(text);
      const bool right = text::hex_digit(text[at]) >= 0;
      EXPECT_EQ(read_hex(text, octets), right) << at << ' ' << c;
      EXPECT_EQ(all_hex(text), right) << at << ' ' << c;
    }
}

TEST(Hex, EveryOctetIsWrittenAndReadAgain) {
  std::vector<std::byte> octets;
  std::string expected;
  for (unsigned n = 0; n < 256; ++n) {
    octets.push_back(static_cast<std::byte>(n));
    for (const unsigned half : {n / 16, n % 16})
      expected += static_cast<char>(half < 10 ? '0' + half : 'a' + half - 10);
  }
  SecretText out("before ");
  append_hex(out, octets);
  EXPECT_EQ(out, SecretText("before ") + SecretText(expected.begin(), expected.end()));
  auto back = room_for(expected);
  EXPECT_TRUE(read_hex(expected, back));
  EXPECT_EQ(back, octets);
  append_hex(out, {});
  EXPECT_EQ(out.size(), 7 + expected.size());
}

}  // namespace

}  // namespace ipseckey
