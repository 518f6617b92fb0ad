#include "cli/this_host.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "system/local_addresses.h"

namespace ipseckey::cli {
namespace {

// ip-sysctl: conf/*/forwarding.
bool forwards(Family family) {
  namespace fs = std::filesystem;
  const fs::path folder = family == Family::v4 ? "/proc/sys/net/ipv4/conf" : "/proc/sys/net/ipv6/conf";
  std::error_code error;
  bool read_any = false;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    int value = 0;
    if (!(std::ifstream(at->path() / "forwarding") >> value)) continue;
    if (value != 0) return true;
    read_any = true;
  }
  return !read_any;
}

}  // namespace

HostFacts this_host(Instant now) {
  return {own_addresses([now] { return now; }), [known = std::array<std::optional<bool>, 2>()](Family family) mutable {
            std::optional<bool>& answer = known[family == Family::v6];
            if (!answer) answer = forwards(family);
            return *answer;
          }};
}

}  // namespace ipseckey::cli
