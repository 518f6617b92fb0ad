#pragma once
/// This host's name services, both ways.
#include <functional>
#include <optional>
#include <string>

#include "base/net.h"
#include "lang/language.h"

namespace ipseckey::cli {

/// Look-ups for input: hosts through the resolver (/etc/hosts, DNS), services and protocols through their databases;
/// the protocols that IPsec meets are known without one.
lang::Names system_names();

/// An address's name for output. Remembers answers, and asks no more once the resolver has failed.
std::function<std::optional<std::string>(const Address&)> host_namer();
/// An IP protocol's name for output.
std::optional<std::string> protocol_name(std::uint8_t number);

}  // namespace ipseckey::cli
