#include "probe/inside.h"

#include <algorithm>
#include <array>

#include "kernel/route.h"

namespace ipseckey::probe {

Result<std::vector<unsigned>> inside_devices(const std::string& device) {
  auto routes = kernel::Routes::open();
  if (!routes) return std::unexpected(routes.error());
  const auto links = routes->links();
  if (!links) return std::unexpected(links.error());
  constexpr std::array kKinds = {"xfrm", "vti", "vti6"};
  std::vector<unsigned> inside;
  for (const kernel::Link& link : *links)
    if (link.loopback || (!device.empty() && link.name == device) ||
        std::ranges::find(kKinds, link.kind) != kKinds.end())
      inside.push_back(link.index);
  return inside;
}

}  // namespace ipseckey::probe
