#pragma once
/// equal() for code where a call takes as long as the comparison.
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace ipseckey::crypto {

/// Compares in time that depends only on the sizes, which are equal: by words where CRYPTO_memcmp() goes byte by byte.
/// The empty statement hides from the compiler that once a bit differs, the rest no longer matters.
inline bool same(Bytes a, Bytes b) {
  std::uint64_t differ = 0;
  const auto compare = [&]<class Word>(Word) {
    for (; a.size() >= sizeof(Word); a = a.subspan(sizeof(Word)), b = b.subspan(sizeof(Word))) {
      Word x, y;
      std::memcpy(&x, a.data(), sizeof x), std::memcpy(&y, b.data(), sizeof y);
      differ |= static_cast<std::uint64_t>(x ^ y);
      asm volatile("" : "+r"(differ));
    }
  };
  compare(std::uint64_t{}), compare(std::uint32_t{}), compare(std::uint8_t{});
  return differ == 0;
}

}  // namespace ipseckey::crypto
