#include "ipsecd/status_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "system/errno_text.h"
#include "system/unix_address.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kLongestLine = 4096;
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

StatusSocket::StatusSocket(Listener listener, sd_event* loop, Ask ask, const Policy& policy)
    : listener_(std::move(listener)), loop_(loop), ask_(std::move(ask)), policy_(policy) {}

StatusSocket::~StatusSocket() {
  clients_.clear();
  sd_event_source_disable_unref(source_);
}

Result<std::unique_ptr<StatusSocket>> StatusSocket::make(const std::string& path, sd_event* loop, Ask ask,
                                                         const Policy& policy) {
  auto listener = Listener::at(path, SOCK_STREAM);
  if (!listener) return std::unexpected(std::move(listener.error()));
  if (auto r = listener->let_in(policy); !r) return std::unexpected(std::move(r.error()));
  std::unique_ptr<StatusSocket> made(new StatusSocket(std::move(*listener), loop, std::move(ask), policy));
  const auto on_client = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<StatusSocket*>(self)->admit();
    return 0;
  };
  if (const int r = sd_event_add_io(loop, &made->source_, made->listener_.fd(), EPOLLIN, on_client, made.get()); r < 0)
    return fail(Errc::io, fmt::format("cannot serve {}: {}", path, errno_text(-r)));
  return made;
}

void StatusSocket::admit() {
  Descriptor fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  if (const auto peer = peer_of(fd.get(), policy_); !peer || peer->access == Access::none) return;
  if (clients_.size() == kClients) clients_.pop_front();
  Client& client = clients_.emplace_back();
  client.owner = this;
  client.fd = std::move(fd);
  const auto on_text = [](sd_event_source*, int, std::uint32_t, void* data) {
    auto* c = static_cast<Client*>(data);
    StatusSocket* const owner = c->owner;
    if (!owner->serve(*c)) std::erase_if(owner->clients_, [&](const Client& other) { return &other == c; });
    return 0;
  };
  if (sd_event_add_io(loop_, &client.source, client.fd.get(), EPOLLIN, on_text, &client) < 0) clients_.pop_back();
}

bool StatusSocket::serve(Client& client) {
  std::array<char, 512> some;
  const ssize_t got = ::recv(client.fd.get(), some.data(), some.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  client.asked.append(some.data(), static_cast<std::size_t>(got));
  const auto newline = client.asked.find('\n');
  if (newline == std::string::npos) return got > 0 && client.asked.size() < kLongestLine;
  std::string line = client.asked.substr(0, newline);
  if (line.ends_with('\r')) line.pop_back();
  // A few kilobytes fit into a new socket's buffer; a client that does not read them gets no more.
  const std::string reply = status_reply(line, ask_());
  ::send(client.fd.get(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return false;
}

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

}  // namespace ipseckey::ipsecd
