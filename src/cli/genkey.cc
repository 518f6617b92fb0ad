#include "cli/genkey.h"

#include <algorithm>
#include <string_view>

#include "base/secret.h"
#include "pfkey/weak_keys.h"

namespace cli {
namespace {

// DES wants odd parity, and has weak keys.
bool fit_for_use(const pfkey::Algorithm& algorithm, MutableBytes key) {
  const bool des = algorithm.kind == pfkey::AlgorithmKind::encrypt && pfkey::has_parity(algorithm.number);
  if (!des) return !all_zero(key);
  pfkey::correct_parity(key);
  return !pfkey::weak_key(algorithm.number, key);
}

}  // namespace

Result<void> generate_key(const pfkey::Algorithm& algorithm, std::uint16_t bits, bool paranoid, const Random& random,
                          absl::FunctionRef<void(std::string_view)> out) {
  Secret key((bits + algorithm.salt_bits + 7u) / 8u);
  do {
    if (auto got = random(key.bytes()); !got) return got;
  } while (!fit_for_use(algorithm, key.bytes()));

  constexpr std::string_view kDigits = "0123456789abcdef";
  SecretBuffer text;
  text.grow(2 * key.size() + 1);
  std::size_t length = 0;
  const auto put = [&](char c) { text.bytes()[length++] = static_cast<std::byte>(c); };
  for (const std::byte b : key.bytes()) {
    put(paranoid ? 'X' : kDigits[std::to_integer<unsigned>(b) >> 4]);
    put(paranoid ? 'X' : kDigits[std::to_integer<unsigned>(b) & 15]);
  }
  put('\n');
  const void* const data = text.bytes().data();
  out(std::string_view(static_cast<const char*>(data), length));
  return {};
}

}  // namespace cli
