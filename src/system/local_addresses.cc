#include "system/local_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

namespace ipseckey {

namespace {

std::optional<Address> address_of(const sockaddr* socket_address) {
  if (!socket_address) return std::nullopt;
  Address address;
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, socket_address, sizeof v4);
    std::memcpy(address.octets.data(), &v4.sin_addr, sizeof v4.sin_addr);
    return address;
  }
  if (socket_address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, socket_address, sizeof v6);
    address.family = Family::v6;
    std::memcpy(address.octets.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    return address;
  }
  return std::nullopt;
}

}  // namespace

bool LocalAddresses::contains(const Address& address, std::chrono::nanoseconds now) {
  if (now >= stale_at_) {
    stale_at_ = now + std::chrono::seconds(1);
    refresh();
  }
  return std::ranges::binary_search(addresses_, address);
}

void LocalAddresses::refresh() {
  if (auto now = host_addresses(); !now.empty())
    addresses_ = std::move(now);  // The last known list is the best available.
}

std::vector<Address> host_addresses() {
  std::vector<Address> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* interface = list; interface; interface = interface->ifa_next)
    if (const auto address = address_of(interface->ifa_addr); address && !is_loopback(*address))
      addresses.push_back(*address);
  std::ranges::sort(addresses);
  return addresses;
}

std::function<bool(const Address&)> own_addresses(std::function<Instant()> clock) {
  return [own = std::make_shared<LocalAddresses>(), clock = std::move(clock)](const Address& address) {
    return own->contains(address, clock().steady);
  };
}

}  // namespace ipseckey
