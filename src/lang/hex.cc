#include "lang/hex.h"

#if defined(__SSE2__) && !defined(IPSECKEY_PORTABLE)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/text.h"

namespace lang {
namespace {

// The value of each character as a hex digit; negative: none.
constexpr auto kHex = [] {
  std::array<std::int8_t, 256> values{};
  for (std::size_t c = 0; c < values.size(); ++c)
    values[c] = static_cast<std::int8_t>(text::hex_digit(static_cast<char>(c)));
  return values;
}();
int hex(char c) { return kHex[static_cast<unsigned char>(c)]; }

// kStride digits at once into half as many octets. False if one is no digit.
#if defined(__SSE2__) && !defined(IPSECKEY_PORTABLE)
constexpr std::size_t kStride = 16;
bool stride(const char* text, std::byte* out) {
  __m128i v;
  std::memcpy(&v, text, sizeof v);
  const __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
  const __m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  const __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
  const __m128i halves =
      _mm_or_si128(_mm_and_si128(is_digit, digit), _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
  // The first of two digits is the lower octet of their pair, and the higher half of what they say.
  const __m128i pairs =
      _mm_and_si128(_mm_or_si128(_mm_slli_epi16(halves, 4), _mm_srli_epi16(halves, 8)), _mm_set1_epi16(0xff));
  _mm_storeu_si64(out, _mm_packus_epi16(pairs, pairs));
  return _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) == 0xffff;
}
#else
constexpr std::size_t kStride = 8;
bool stride(const char* text, std::byte* out) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x80 * kOnes;
  std::uint64_t v;
  std::memcpy(&v, text, sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = std::byteswap(v);
  // In the high bit of each octet: not 0-9; beyond F; at least A.
  const std::uint64_t digit = (v ^ 0x30 * kOnes) & ~kHighs, letter = ((v | 0x20 * kOnes) ^ 0x60 * kOnes) & ~kHighs;
  const std::uint64_t no_digit = digit + 0x76 * kOnes, beyond_f = letter + 0x79 * kOnes, from_a = letter + 0x7f * kOnes;
  const std::uint64_t wrong = (v | (no_digit & ~(from_a & ~beyond_f))) & kHighs;
  std::uint64_t n = (v & 0x0f * kOnes) + ((v >> 6) & kOnes) * 9;
  n = (n << 4 | n >> 8) & 0x00ff00ff00ff00ff;
  n = (n | n >> 8) & 0x0000ffff0000ffff;
  auto octets = static_cast<std::uint32_t>(n | n >> 16);
  if constexpr (std::endian::native == std::endian::big) octets = std::byteswap(octets);
  std::memcpy(out, &octets, sizeof octets);
  return wrong == 0;
}
#endif

}  // namespace

bool all_hex(std::string_view text) {
  int any = 0;
  for (const char c : text) any |= hex(c);
  return any >= 0;
}

bool read_hex(std::string_view digits, MutableBytes out) {
  int any = 0;
  std::size_t i = 0;
  for (; i + kStride <= digits.size(); i += kStride)
    if (!stride(digits.data() + i, out.data() + i / 2)) any = -1;
  for (; i + 1 < digits.size(); i += 2) {
    const int octet = hex(digits[i]) * 16 | hex(digits[i + 1]);
    any |= octet;
    out[i / 2] = static_cast<std::byte>(octet);
  }
  if (i == digits.size()) return any >= 0;
  any |= hex(digits[i]);
  out[i / 2] = static_cast<std::byte>(hex(digits[i]) * 16);
  return any >= 0;
}

}  // namespace lang
