#include "pfkey/weak_keys.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace ipseckey::pfkey {
namespace {

std::vector<std::byte> octets(std::string_view hex) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<std::byte>(text::hex_digit(hex[i]) * 16 + text::hex_digit(hex[i + 1])));
  return out;
}

TEST(WeakKeys, ParityIsCorrectedToOdd) {
  auto key = octets("be02938e7def2839");
  correct_parity(key);
  EXPECT_EQ(key, octets("bf02928f7cef2938"));
  correct_parity(key);
  EXPECT_EQ(key, octets("bf02928f7cef2938"));
}

bool weak(std::string_view cipher, std::string_view hex) {
  return weak_key(*find_algorithm(AlgorithmKind::encrypt, cipher), octets(hex));
}

constexpr std::array kWeak = {
    "0101010101010101", "fefefefefefefefe", "e0e0e0e0f1f1f1f1", "1f1f1f1f0e0e0e0e",
    "01fe01fe01fe01fe", "fe01fe01fe01fe01", "1fe01fe00ef10ef1", "e01fe01ff10ef10e",
    "01e001e001f101f1", "e001e001f101f101", "1ffe1ffe0efe0efe", "fe1ffe1ffe0efe0e",
    "011f011f010e010e", "1f011f010e010e01", "e0fee0fef1fef1fe", "fee0fee0fef1fef1",
};
constexpr std::string_view kStrong = "0123456789abcdef";

TEST(WeakKeys, AllSixteenOfDesAndNoOther) {
  for (const std::string_view key : kWeak) EXPECT_TRUE(weak("des", key)) << key;
  EXPECT_FALSE(weak("des", kStrong));
  EXPECT_FALSE(weak("des", "0101010101010102"));
}

// DES does not use the low bit of an octet.
TEST(WeakKeys, AreWeakWhateverTheirParity) {
  EXPECT_TRUE(weak("des", "0000000000000000"));
  EXPECT_TRUE(weak("des", "1ee11ee10ef10ef1"));
  EXPECT_TRUE(weak("3des", "0123456789abcdef0022446688aaccee89abcdef01234567")) << "K1 and K2 differ in parity alone";
}

TEST(WeakKeys, OtherCiphersHaveNone) {
  EXPECT_FALSE(weak("aes-cbc", "01010101010101010101010101010101"));
  EXPECT_FALSE(weak("blowfish", "0101010101010101"));
}

TEST(WeakKeys, TripleDes) {
  const std::string a(kStrong), b = "fedcba9876543210", c = "89abcdef01234567", w = kWeak[0], v = kWeak[5];
  struct {
    std::string key;
    bool weak;
  } const rows[] = {
      {a + b + c, false}, {a + b + a, false}, {a + a + b, true},  {a + b + b, true},
      {a + a + a, true},  {w + b + c, false}, {a + w + c, false}, {a + b + w, false},
      {w + v + c, true},  {a + w + v, true},  {w + b + v, true},  {w + b + w, true},
  };
  for (const auto& row : rows) EXPECT_EQ(weak("3des", row.key), row.weak) << row.key;
}

}  // namespace
}  // namespace ipseckey::pfkey
