#pragma once
/// Numbers and foreign text as a person wants to read them.
#include <cstdint>
#include <string>
#include <string_view>

namespace ipseckey::pfkey {

/// Bytes: "512 bytes", "1.50 KiB", "16.00 EiB". Units are powers of 1024 (IEC 80000-13), with two decimals.
std::string size_text(std::uint64_t bytes);

/// Seconds: "1 second", "45 seconds", "1.50 minutes", "8.00 hours", "2.00 days".
std::string duration_text(std::uint64_t seconds);

/// Seconds since 1970 as local time (the environment's TZ): "2026-11-21 03:04:05 UTC". A time beyond what the calendar
/// of the C library can say stays a number: "18446744073709551615 seconds after 1970".
std::string local_time_text(std::uint64_t epoch_seconds);

/// Text from outside, harmless on a terminal: quotes, backslashes and every byte that is not printable ASCII become
/// \" \\ and \xHH.
std::string escaped(std::string_view text);
/// The same in double quotes.
std::string in_quotes(std::string_view text);

}  // namespace ipseckey::pfkey
