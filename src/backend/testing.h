#pragma once
/// What the tests of the socket backend and of ipsecd share: a folder of its own, and a daemon that follows a script.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/cast.h"
#include "pfkey/codec.h"
#include "pfkey/message.h"

namespace ipseckey::backend::testing {

inline constexpr int kDeadline = 100'000;  ///< Milliseconds that any wait of a test may take.

/// Whether the descriptor is readable within that time.
inline bool readable(int fd, int milliseconds = 0) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, milliseconds) > 0;
}

/// Listens as a monitor does, until `wanted` is false for a message or stop_fd (-1: never) is readable.
inline Result<void> hear(Backend& sadb, bool promiscuous, int stop_fd,
                         const std::function<bool(pfkey::Message&&)>& wanted) {
  const auto listener = sadb.listen(promiscuous);
  if (!listener) return std::unexpected(listener.error());
  bool more = true;
  while (true) {
    const auto heard = (*listener)->next([&](pfkey::Message&& m) { more = more && wanted(std::move(m)); });
    if (!heard) return heard;
    if (!more) break;
    pollfd waiting[] = {{(*listener)->descriptor(), POLLIN, 0}, {stop_fd, POLLIN, 0}};
    if (::poll(waiting, 2, kDeadline) == 0) return fail(Errc::timeout, "nothing more was heard");
    if (waiting[1].revents != 0) break;
  }
  return (*listener)->end();
}

/// A new folder, removed with all that is in it.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ipseckey-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("the path is too long for a test");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

inline const sockaddr* generic(const sockaddr_un& address) { return interface_cast<sockaddr>(&address); }

/// A socket bound to `path`, listening.
inline int listen_at(const std::string& path, int type = SOCK_SEQPACKET) {
  const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  const sockaddr_un address = unix_address(path);
  if (::bind(fd, generic(address), sizeof address) != 0 || ::listen(fd, 16) != 0)
    throw std::runtime_error("cannot listen");
  return fd;
}

/// Waits until fd is ready for `events`; false after the deadline.
inline bool ready(int fd, short events) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, kDeadline) > 0;
}

inline void send_message(int fd, const pfkey::Message& m) {
  std::array<std::byte, 4096> wire;
  const std::size_t size = pfkey::encode(m, wire).value();
  if (!ready(fd, POLLOUT)) throw std::runtime_error("the other side does not read");
  ::send(fd, wire.data(), size, MSG_NOSIGNAL);
}

/// The next request; false at the end of the connection.
inline bool receive_message(int fd, pfkey::Message& m) {
  std::array<std::byte, 4096> wire;
  if (!ready(fd, POLLIN)) throw std::runtime_error("nothing comes");
  const ssize_t size = ::recv(fd, wire.data(), wire.size(), 0);
  if (size <= 0) return false;
  m = pfkey::decode(Bytes(wire).first(static_cast<std::size_t>(size))).value();
  return true;
}

/// Accepts connections at a path and plays one script after the other on them. The last one's end is its own.
class ScriptedDaemon {
 public:
  using Script = std::function<void(int fd)>;

  ScriptedDaemon(const std::string& path, std::vector<Script> scripts)
      : fd_(listen_at(path)), thread_([this, scripts = std::move(scripts)] {
          for (const Script& script : scripts) {
            if (!ready(fd_, POLLIN)) return;
            const int connection = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
            script(connection);
            ::close(connection);
          }
        }) {}
  ~ScriptedDaemon() {
    thread_.join();
    ::close(fd_);
  }

 private:
  int fd_;
  std::thread thread_;
};

}  // namespace ipseckey::backend::testing
