#pragma once
/// Where ipsecd and its clients meet if no path is specified.
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace ipseckey {

/// Root's socket, or the socket of a user without root, who has one of their own if the session has a runtime
/// directory. runtime_dir is the value of XDG_RUNTIME_DIR; nullptr or "": none.
inline std::string default_socket_path(bool root, const char* runtime_dir) {
  if (root || !runtime_dir || !*runtime_dir) return "/run/ipsecd/pfkey.sock";
  return std::string(runtime_dir) + "/ipsecd/pfkey.sock";
}

/// The path for this process's user.
inline std::string default_socket_path() {
  return default_socket_path(::geteuid() == 0, std::getenv("XDG_RUNTIME_DIR"));
}

}  // namespace ipseckey
