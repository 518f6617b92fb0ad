#include "system/status_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "system/descriptor.h"
#include "system/errno_text.h"
#include "system/unix_address.h"

namespace ipseckey {
namespace {

constexpr int kPatience = 5'000;  // Milliseconds that a client waits for the answer.

// ipsecd closes the connection of clients that it does not serve without an answer.
std::unexpected<Error> cannot_ask(const std::string& path, int error) {
  if (error == EPIPE || error == ECONNRESET)
    return fail(Errc::denied, fmt::format("{} answers only root, ipsecd's own user and the groups that it was "
                                          "started with",
                                          path));
  return fail(Errc::io, fmt::format("cannot ask {}: {}", path, errno_text(error)));
}

}  // namespace

Result<std::string> ask_status(const std::string& path, std::string_view how) {
  const auto address = UnixAddress::of(path, path);
  if (!address) return std::unexpected(address.error());
  const Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), address->get(), address->size()) != 0)
    return fail(Errc::unreachable, fmt::format("no ipsecd answers at {}: {}", path, errno_text(errno)));
  const std::string line = std::string(how) + '\n';
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return cannot_ask(path, errno);
  std::string reply;
  std::array<char, 4096> some;
  while (true) {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kPatience) == 0) return fail(Errc::timeout, fmt::format("{} does not answer", path));
    const ssize_t got = ::recv(fd.get(), some.data(), some.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_ask(path, errno);
    if (got == 0 && reply.empty()) return cannot_ask(path, ECONNRESET);
    if (got == 0) return reply;
    reply.append(some.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace ipseckey
