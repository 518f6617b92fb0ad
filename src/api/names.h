#pragma once
/// This host's name services, both ways.
#include <functional>
#include <optional>
#include <string>

#include "base/net.h"
#include "lang/language.h"

namespace ipseckey::api {

/// Look-ups for input: hosts through the resolver (/etc/hosts, DNS), services and protocols through their databases;
/// the usual protocols are known without one.
lang::Names system_names();
/// The same without any look-up: hosts are addresses, and only the usual protocols have names.
lang::Names numeric_names();

/// Returns a function that finds an address's name for output. It caches answers, and stops asking once the resolver
/// has failed.
std::function<std::optional<std::string>(const Address&)> host_namer();
/// An IP protocol's name for output.
std::optional<std::string> protocol_name(std::uint8_t number);

}  // namespace ipseckey::api
