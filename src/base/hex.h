#pragma once
/// Conversion of hexadecimal digits that may belong to a key, in both directions. The operations and their time depend
/// only on the number of digits, not on their values: no table look-up and no branch uses a digit.
#include <string_view>

#include "base/bytes.h"
#include "base/secret_text.h"

namespace ipseckey {

/// Whether the text consists of digits only.
bool all_hex(std::string_view text);

/// Converts digits into octets from the high end; an odd last digit fills the high half. `out` has half as many octets
/// as there are digits, rounded up. False: one is not a digit, and `out` is undefined.
bool read_hex(std::string_view digits, MutableBytes out);

/// Appends octets as lower-case digits, two for each.
void append_hex(SecretText& out, Bytes octets);

}  // namespace ipseckey
