#pragma once
/// How packets leave this host: routes, links and neighbours of this network namespace, by rtnetlink (rtnetlink(7)).
/// Nothing is changed.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "kernel/netlink.h"

namespace ipseckey::kernel {

/// A network device.
struct Link {
  unsigned index = 0;
  std::string name;
  std::string kind;       ///< "veth", "tun", "xfrm"; empty: a real device.
  std::uint32_t mtu = 0;  ///< Octets.
  bool loopback = false;
};

/// A route to one address.
struct Route {
  unsigned device = 0;
  std::optional<Address> gateway;  ///< Absent: the address is on the link.
  std::optional<Address> source;   ///< Which the kernel would choose.
  std::uint32_t mtu = 0;           ///< That the route names or the path has shown, octets; 0: that of the device.
};

/// Whether a neighbour answers (NUD states of rtnetlink(7)).
enum class NeighbourState : std::uint8_t { unknown, there, nobody };

class Routes {
 public:
  /// Errors: denied, io, unsupported.
  static Result<Routes> open();
  explicit Routes(Netlink netlink) : netlink_(std::move(netlink)) {}

  Result<std::vector<Link>> links();
  /// Errors: not_found: there is none, or it forbids; io, timeout.
  Result<Route> to(const Address& address, const std::optional<Address>& from, std::uint32_t mark);
  /// What the kernel knows of an address on a link; it is not asked for.
  Result<NeighbourState> neighbour(const Address& address, unsigned device);

 private:
  Netlink netlink_;
};

}  // namespace ipseckey::kernel
