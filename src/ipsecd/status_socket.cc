#include "ipsecd/status_socket.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kLongestLine = 4096;

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

}  // namespace ipseckey::ipsecd
