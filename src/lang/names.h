#pragma once
/// Name services, handed in by the command: the language itself makes no system call.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"

namespace lang {

struct Names {
  /// Every address of a host name, in the resolver's order, without repetition. The error says why there is none.
  std::function<Result<std::vector<Address>>(const std::string& name)> hosts;
  std::function<std::optional<std::uint8_t>(const std::string& name)> protocol;
  std::function<std::optional<std::uint16_t>(const std::string& name)> port;
};

}  // namespace lang
