#include "ipsecd/inherited.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace ipseckey::ipsecd {
namespace {

constexpr const char* kQueue = "ipsecd-tun";
constexpr std::uint64_t kPatience = 5'000'000;  // Microseconds.

}  // namespace

Inherited inherited() {
  Inherited out;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    Descriptor fd(SD_LISTEN_FDS_START + i);
    const std::string_view name = names && names[i] ? names[i] : "";
    const auto* const kept = std::ranges::find(Vault::kNames, name);
    if (name == kQueue) {
      out.queues.push_back(std::move(fd));
    } else if (kept == Vault::kNames.end()) {
      out.sockets.push_back(std::move(fd));
    } else {
      out.kept[static_cast<std::size_t>(kept - Vault::kNames.begin())] = std::move(fd);
    }
  }
  if (names)
    for (int i = 0; i < count; ++i) std::free(names[i]);
  std::free(names);
  return out;
}

void lay_up(const Vault& vault) {
  const auto parts = vault.parts();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", Vault::kNames[i]).c_str());
    sd_pid_notify_with_fds(0, 0, fmt::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", Vault::kNames[i]).c_str(), &parts[i], 1);
  }
}

void lay_up(const Tun& tun) {
  give_up_queues();
  for (unsigned i = 0; i < tun.queues(); ++i) {
    const int queue = tun.queue(i);
    sd_pid_notify_with_fds(0, 0, fmt::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", kQueue).c_str(), &queue, 1);
  }
}

void give_up_queues() {
  sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", kQueue).c_str());
  sd_notify_barrier(0, kPatience);
}

}  // namespace ipseckey::ipsecd
