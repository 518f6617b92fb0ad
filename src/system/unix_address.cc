#include "system/unix_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ipseckey {

Result<UnixAddress> UnixAddress::of(const std::string& path, const std::string& shown) {
  UnixAddress out;
  constexpr std::size_t kMost = sizeof(out.address_.sun_path) - 1;
  if (path.empty()) return fail(Errc::invalid, "the path of ipsecd's socket is empty");
  if (path.size() > kMost)
    return fail(Errc::invalid,
                fmt::format("the socket path {} has {} bytes; at most {} are allowed", shown, path.size(), kMost));
  out.address_.sun_family = AF_UNIX;
  std::ranges::copy(path, out.address_.sun_path);
  return out;
}

std::string UnixAddress::path_of(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  const bool named =
      ::getsockname(socket, interface_cast<sockaddr>(&address), &size) == 0 && address.sun_family == AF_UNIX;
  // A path may fill the whole field, and then has no terminator.
  return named ? std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path)) : "";
}

}  // namespace ipseckey
