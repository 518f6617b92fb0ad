#pragma once
/// The present, for the loops of the daemon.
#include "base/instant.h"

namespace ipsecd {

inline Instant now() {
  using std::chrono::system_clock, std::chrono::steady_clock, std::chrono::seconds;
  return {steady_clock::now().time_since_epoch(), std::chrono::floor<seconds>(system_clock::now())};
}

}  // namespace ipsecd
