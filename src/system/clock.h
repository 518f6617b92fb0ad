#pragma once
/// The current time. Programs read it and pass it down; nothing below them does.
#include "base/instant.h"

namespace ipseckey {

inline Instant system_now() {
  using std::chrono::system_clock, std::chrono::steady_clock, std::chrono::seconds;
  return {steady_clock::now().time_since_epoch(), std::chrono::floor<seconds>(system_clock::now())};
}

}  // namespace ipseckey
