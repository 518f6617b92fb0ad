#pragma once
/// Hexadecimal digits that may be a key's, in and out. What these functions do and how long they take depends on how
/// many digits there are and not on what they are: no look-up and no branch by a digit's value.
#include <string_view>

#include "base/bytes.h"
#include "base/secret_text.h"

namespace ipseckey {

/// Whether there is nothing but digits.
bool all_hex(std::string_view text);

/// Digits into octets from the high end; a last odd one fills the high half. `out` holds half of the digits, rounded
/// up. False: one is no digit, and `out` is of no use.
bool read_hex(std::string_view digits, MutableBytes out);

/// Appends octets as lower-case digits, two for each.
void append_hex(SecretText& out, Bytes octets);

}  // namespace ipseckey
