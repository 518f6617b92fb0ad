#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cli {
namespace {

// Unbuffered, so that no key stays behind in a buffer of the C library.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = write(fd, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

}  // namespace

Console::Console() : marks_(isatty(STDERR_FILENO) == 1) {}

void Console::out(std::string_view text) {
  if (out_failed() || write_all(STDOUT_FILENO, text)) return;
  out_error_ = fmt::format("cannot write standard output: {}", std::strerror(errno));
}

void Console::err(std::string_view text) { write_all(STDERR_FILENO, text); }

void Console::complain(std::string_view text) { err(fmt::format("ipseckey: {}\n", text)); }

}  // namespace cli
