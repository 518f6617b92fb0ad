#pragma once
/// Which names libipseckey.so shows.

/// Marks what programs outside may call. All else is hidden (-fvisibility=hidden), and tests/library/exports.txt lists
/// what is left.
#define IPSECKEY_API [[gnu::visibility("default")]]
