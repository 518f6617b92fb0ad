#pragma once
/// Where ipsecd and its clients meet when nobody names a place.
#include <string>

/// Root's socket, or that of a user without root, who has one of their own if the session has a runtime directory.
/// runtime_dir is the value of XDG_RUNTIME_DIR; nullptr or "": none.
inline std::string default_socket_path(bool root, const char* runtime_dir) {
  if (root || !runtime_dir || !*runtime_dir) return "/run/ipsecd/pfkey.sock";
  return std::string(runtime_dir) + "/ipsecd/pfkey.sock";
}
