#pragma once
/// Shared by the targets whose input is a script.
#include <concepts>

#include "base/bytes.h"

namespace ipseckey {

/// The next number of the script; 0 at its end.
template <std::unsigned_integral T>
T number(Reader& in) {
  T v = 0;
  in.host(v);
  return v;
}

}  // namespace ipseckey
