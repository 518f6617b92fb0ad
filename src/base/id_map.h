#pragma once
/// User and group numbers of a user namespace (user_namespaces(7)).
#include <cstdint>
#include <optional>
#include <string_view>

namespace ipseckey::id_map {

/// The number that a namespace shows for all users (or groups) that it does not know; it then identifies nobody. `map`
/// is the text of /proc/PID/uid_map (gid_map), `overflow` that of /proc/sys/kernel/overflowuid (overflowgid). nullopt:
/// the namespace knows every number, like the initial one.
std::optional<std::uint32_t> stranger(std::string_view map, std::string_view overflow);

}  // namespace ipseckey::id_map
