#include "backend/detail/answers.h"

#include <fmt/format.h>

#include <cerrno>

#include "pfkey/units.h"

namespace ipseckey::backend {

std::unexpected<Error> refused_by(const std::string& raw, std::uint8_t error) {
  const std::string path = pfkey::escaped(raw);
  if (error == EPERM)
    return fail(Errc::denied, fmt::format("ipsecd at {} serves only root, its own user and the groups that it was "
                                          "started with; try again as one of them, for example with sudo",
                                          path));
  return fail(Errc::unreachable, fmt::format("ipsecd at {} has too many clients; try again later", path));
}

std::unexpected<Error> silent(const std::string& path, std::chrono::milliseconds patience) {
  return fail(Errc::timeout, fmt::format("ipsecd at {} has not answered for {} s; is it stopped or overloaded?",
                                         pfkey::escaped(path), std::chrono::duration<double>(patience).count()));
}

}  // namespace ipseckey::backend
