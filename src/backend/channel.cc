// A connection to ipsecd:
// 1. connect() waits for its place in the backlog, but not forever. Before anything is sent, trust() checks which user
//    listens there.
// 2. send() encodes a message behind those that wait for flush(), if ipsecd takes several in one packet; else these
//    leave first. A long message has a packet of its own. Sent bytes are wiped.
// 3. receive() decodes the next message of the packet that came last and wipes it. A refusal notice of ipsecd becomes
//    an error.
// 4. Neither waits: `again` means that the socket is full or empty, `gone` that the other side has closed it.
#include "backend/channel.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "backend/detail/answers.h"
#include "base/id_map.h"
#include "pfkey/codec.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"
#include "pfkey/units.h"
#include "system/descriptor.h"
#include "system/errno_text.h"
#include "system/text_in.h"
#include "system/unix_address.h"

namespace ipseckey::backend {
namespace {

bool is_socket(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

std::unexpected<Error> cannot_connect(const std::string& raw, int error) {
  const std::string path = pfkey::escaped(raw);
  switch (error) {
    case ENOENT:
      return fail(Errc::unreachable, fmt::format("no ipsecd at {}: {}", path, how_to_start(raw)));
    case ECONNREFUSED:
      if (!is_socket(raw)) return fail(Errc::unreachable, fmt::format("{} is not a socket", path));
      return fail(Errc::unreachable, fmt::format("ipsecd no longer answers at {}: {}", path, how_to_start(raw)));
    case EPROTOTYPE:
      return fail(Errc::unreachable, fmt::format("{} is a socket of another type, not ipsecd's", path));
    case EACCES:
    case EPERM:
      return fail(Errc::denied,
                  fmt::format("permission denied for {}: only root, ipsecd's own user and the groups that it was "
                              "started with may use it; try again as one of them, for example with sudo",
                              path));
    case EAGAIN:
      return fail(Errc::timeout, fmt::format("ipsecd at {} is too busy to accept a connection", path));
    default:
      return fail(Errc::io, fmt::format("cannot connect to {}: {}", path, errno_text(error)));
  }
}

// The listener gets keys, so it must be root, this user, or the owner of the folder, where nobody else could put a
// socket for long. The kernel has noted who it was that listened; systemd, which is root, does for a socket unit.
Result<void> trust(int fd, const std::string& path) {
  const std::string shown = pfkey::escaped(path);
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return fail(Errc::denied, fmt::format("cannot determine which user serves {}: {}", shown, errno_text(errno)));
  if (who.uid == 0 || who.uid == ::geteuid()) return {};
  struct stat folder{};
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const bool theirs = ::stat(parent.empty() ? "." : parent.c_str(), &folder) == 0 && folder.st_uid == who.uid;
  const bool known =
      id_map::stranger(text_in("/proc/self/uid_map"), text_in("/proc/sys/kernel/overflowuid")) != who.uid;
  if (theirs && known) return {};
  return fail(Errc::denied,
              fmt::format("{} is served by user {}, who is neither root nor you nor the owner of its folder: nothing "
                          "was sent; if your ipsecd runs as that user, put its socket in a folder that this user owns",
                          shown, who.uid));
}

// Room for the largest message; a default socket buffer has less. Without the privilege the system's limit holds.
void enlarge_send_buffer(int fd) {
  const int size = static_cast<int>(2 * pfkey::kMaxMessageSize);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

// Where little memory is allowed for sockets, packets are so short that two of them fit.
std::size_t full_packet(int fd) {
  int size = 0;
  socklen_t length = sizeof size;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0 || size <= 0) return 0;
  return std::min(pfkey::packs::kFull, static_cast<std::size_t>(size) / 4);
}

}  // namespace

std::string how_to_start(const std::string& path) {
  return fmt::format("start it with `ipsecd --socket {}`", pfkey::escaped(path));
}

Result<Channel> Channel::connect(std::string path, std::chrono::milliseconds patience) {
  const auto address = UnixAddress::of(path, pfkey::escaped(path));
  if (!address) return std::unexpected(address.error());
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return fail(Errc::io, fmt::format("cannot create a socket: {}", errno_text(errno)));
  const int fd = socket.get();
  Channel channel(std::move(socket), std::move(path));

  // A full backlog makes connect() wait; the send time-out is what bounds it.
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const timeval limit{seconds.count(), std::chrono::microseconds(patience - seconds).count()};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  enlarge_send_buffer(fd);
  channel.full_ = full_packet(fd);
  if (::connect(fd, address->get(), address->size()) != 0) return cannot_connect(channel.path_, errno);
  if (auto r = trust(fd, channel.path_); !r) return std::unexpected(std::move(r.error()));
  return channel;
}

Channel::Channel(Descriptor fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), full_(pfkey::packs::kFull) {
  out_.grow(pfkey::packs::kFull + pfkey::kMaxMessageSize);
  in_.grow(pfkey::kMaxMessageSize + 8);  // So that a longer message shows by its size.
}

std::uint32_t Channel::peer() const {
  ucred who{};
  socklen_t size = sizeof who;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? static_cast<std::uint32_t>(who.pid) : 0;
}

Result<Outcome> Channel::send(const pfkey::Message& m) {
  if (alone_) return transmit();
  if (staged_ >= full_ || !packs_)
    if (auto sent = flush(); !sent || *sent != Outcome::done) return sent;
  const MutableBytes room = out_.bytes().subspan(staged_);
  const auto size = pfkey::encode(m, room);
  if (!size) {
    wipe(room);
    return std::unexpected(size.error());
  }
  // An ACQUIRE is passed on to others as it is.
  if (m.type != pfkey::Type::acquire) pfkey::packs::set_mark(room, pfkey::packs::kClient);
  alone_ = *size > full_;
  if (alone_ && staged_ > 0) {
    alone_ = false;
    wipe(room.first(*size));
    auto sent = flush();
    return !sent || *sent != Outcome::done ? sent : send(m);
  }
  staged_ += *size;
  return alone_ ? transmit() : Outcome::done;
}

Result<Outcome> Channel::flush() { return staged_ == 0 ? Outcome::done : transmit(); }

Result<Outcome> Channel::transmit() {
  const Bytes wire = Bytes(out_.bytes()).first(staged_);
  ssize_t sent = 0;
  do sent = ::send(fd_.get(), wire.data(), wire.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? errno : 0;
  if (error == EAGAIN) return Outcome::again;

  alone_ = false;
  wipe(out_.bytes().first(std::exchange(staged_, 0)));
  if (error == 0) return Outcome::done;
  if (error == EPIPE || error == ECONNRESET || error == ENOTCONN) return Outcome::gone;
  if (error == EMSGSIZE)
    return fail(
        Errc::invalid,
        fmt::format("a message of {} bytes is too large for the socket {}; raise the system's limit, net.core.wmem_max",
                    wire.size(), pfkey::escaped(path_)));
  return fail(Errc::io, fmt::format("cannot write to {}: {}", pfkey::escaped(path_), errno_text(error)));
}

Result<Outcome> Channel::receive(pfkey::Message& m) {
  if (at_ == end_) {
    const MutableBytes buffer = in_.bytes().first(pfkey::kMaxMessageSize + 8);
    ssize_t got = 0;
    // A daemon that died without reading all we sent shows first as a reset; what it had answered is still there.
    do got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got == 0) return Outcome::gone;
    if (got < 0 && errno == EAGAIN) return Outcome::again;
    if (got < 0)
      return fail(Errc::io, fmt::format("cannot read from {}: {}", pfkey::escaped(path_), errno_text(errno)));
    at_ = 0, end_ = static_cast<std::size_t>(got);
  }
  const MutableBytes rest = in_.bytes().subspan(at_, end_ - at_);
  const MutableBytes wire = rest.first(pfkey::packs::first_size(rest));
  at_ += wire.size();
  auto message = pfkey::decode(wire);
  wipe(wire);
  if (!message)
    return fail(Errc::malformed, fmt::format("the program that answers at {} does not speak ipsecd's PF_KEY: {}",
                                             pfkey::escaped(path_), message.error().text));
  if (message->diagnostic == pfkey::packs::kServer) packs_ = true, message->diagnostic = 0;
  if (const auto error = pfkey::refusal(*message)) return refused_by(path_, *error);
  m = std::move(*message);
  return Outcome::done;
}

}  // namespace ipseckey::backend
