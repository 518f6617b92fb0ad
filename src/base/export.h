#pragma once
/// Which names libipseckey.so shows.

/// Marks what programs outside may call. All else is hidden (-fvisibility=hidden), and src/api/exports lists what is
/// left.
#define IPSECKEY_API [[gnu::visibility("default")]]
