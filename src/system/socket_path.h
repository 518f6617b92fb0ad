#pragma once
/// Where ipsecd and its clients meet when nobody names a place.
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace ipseckey {

/// Root's socket, or that of a user without root, who has one of their own if the session has a runtime directory.
/// runtime_dir is the value of XDG_RUNTIME_DIR; nullptr or "": none.
inline std::string default_socket_path(bool root, const char* runtime_dir) {
  if (root || !runtime_dir || !*runtime_dir) return "/run/ipsecd/pfkey.sock";
  return std::string(runtime_dir) + "/ipsecd/pfkey.sock";
}

/// That of this process' user.
inline std::string default_socket_path() {
  return default_socket_path(::geteuid() == 0, std::getenv("XDG_RUNTIME_DIR"));
}

}  // namespace ipseckey
