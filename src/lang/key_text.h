#pragma once
/// The advice for a key that is not a hexadecimal number.
#include <string_view>

namespace ipseckey::lang {

/// What to do with a key that is text.
inline constexpr std::string_view kConvertText =
    "keys are written in hexadecimal digits; to convert one that is text: printf %s TEXT | xxd -p -c 256";

}  // namespace ipseckey::lang
