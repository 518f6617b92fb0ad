#pragma once
/// Hexadecimal digits that may be a key's: read in a time that depends on how many there are and not on what they are.
#include <string_view>

#include "base/bytes.h"

namespace lang {

/// What to do with a key that is text.
inline constexpr std::string_view kConvertText =
    "keys are written in hexadecimal digits; to convert one that is text: printf %s TEXT | xxd -p -c 256";

/// Whether there is nothing but digits.
bool all_hex(std::string_view text);

/// Digits into octets from the high end; a last odd one fills the high half. `out` holds half of the digits, rounded
/// up. False: one is no digit, and `out` is of no use.
bool read_hex(std::string_view digits, MutableBytes out);

}  // namespace lang
