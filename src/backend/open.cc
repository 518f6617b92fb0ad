#include "backend/open.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "backend/memory.h"
#include "backend/socket.h"
#include "base/socket_path.h"

namespace backend {
namespace {

constexpr std::string_view kPathPrefix = "ipsecd:";

Instant system_now() {
  using std::chrono::system_clock, std::chrono::steady_clock, std::chrono::seconds;
  return {steady_clock::now().time_since_epoch(), std::chrono::floor<seconds>(system_clock::now())};
}

Result<std::unique_ptr<Backend>> at(std::string path) {
  auto socket = Socket::connect(std::move(path));
  if (!socket) return std::unexpected(std::move(socket.error()));
  return std::move(*socket);
}

// What keeps a person from a SADB is worth more than the first thing that failed.
Result<std::unique_ptr<Backend>> automatic(const Surroundings& around) {
  auto socket = at(around.socket);
  if (socket || socket.error().code != Errc::unreachable) return socket;
  return fail(Errc::unreachable,
              fmt::format("no SADB to talk to: no ipsecd answers at {}, and this build cannot use the kernel's: start "
                          "ipsecd with `ipsecd --socket {}`",
                          around.socket, around.socket));
}

}  // namespace

Surroundings surroundings() {
  return {default_socket_path(::geteuid() == 0, std::getenv("XDG_RUNTIME_DIR")), system_now};
}

Result<std::unique_ptr<Backend>> open(std::string_view where, const Surroundings& around) {
  if (where == "auto") return automatic(around);
  if (where == "ipsecd") return at(around.socket);
  if (where.starts_with(kPathPrefix)) return at(std::string(where.substr(kPathPrefix.size())));
  if (where == "memory") return std::make_unique<Memory>(engine::Options{}, around.clock);
  if (where == "kernel")
    return fail(Errc::unsupported,
                fmt::format("this build has no kernel backend: use `--sadb=ipsecd` and start `ipsecd --socket {}`",
                            around.socket));
  return fail(Errc::syntax,
              fmt::format("Unknown SADB '{}': expected ipsecd, ipsecd:PATH, kernel, memory or auto", where));
}

std::unique_ptr<Backend> open_scratch(const Surroundings& around) {
  engine::Options options;
  options.keep_keys = false;
  return std::make_unique<Memory>(std::move(options), around.clock);
}

}  // namespace backend
