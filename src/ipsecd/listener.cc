#include "ipsecd/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "ipsecd/error_text.h"

namespace ipsecd {
namespace {

constexpr int kBacklog = 128;  // Connections that wait to be accepted.

// The sockets interface takes every kind of address through one pointer type.
const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}
sockaddr* generic(sockaddr_un& address) { return static_cast<sockaddr*>(static_cast<void*>(&address)); }

std::unexpected<Error> cannot(const char* what, const std::string& path, int error) {
  const Errc code = error == EACCES || error == EPERM ? Errc::denied : Errc::io;
  return fail(code, fmt::format("cannot {} {}: {}", what, path, text_of(error)));
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return fail(Errc::invalid, fmt::format("the socket path {} has {} bytes; a Unix socket's has at most {}", path,
                                           path.size(), sizeof(address.sun_path) - 1));
  std::ranges::copy(path, address.sun_path);
  return address;
}

Fd new_socket(int type) { return Fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

std::filesystem::path folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

// flock() alone would wait for ever, and a signal that ends the waiting needs a handler.
bool lock_within(int fd, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  constexpr int kPause = 2;  // Milliseconds.
  const auto deadline = Clock::now() + patience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || Clock::now() >= deadline) return false;
    ::poll(nullptr, 0, kPause);
  }
  return true;
}

// Two daemons that start at once must not each take the other's new socket for a stale one.
Result<Fd> lock_folder(const std::string& path, std::chrono::milliseconds patience) {
  const std::string folder = folder_of(path);
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT)
    return fail(Errc::io, fmt::format("no folder {}: make it with `mkdir -p {}`", folder, folder));
  if (!fd) return cannot("open the folder", folder, errno);
  if (!lock_within(fd.get(), patience))
    return fail(Errc::timeout, fmt::format("another program has locked {} for {} s; end it and try again", folder,
                                           std::chrono::duration<double>(patience).count()));
  return fd;
}

// Clears the way: removes a socket file that nobody answers on.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address, int type) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return cannot("look at", path, errno);
  }
  if (!S_ISSOCK(info.st_mode))
    return fail(Errc::exists, fmt::format("{} exists and is not a socket; name another path or remove it", path));
  const Fd probe = new_socket(type);
  const bool refused = ::connect(probe.get(), generic(address), sizeof address) != 0 && errno == ECONNREFUSED;
  if (!refused)
    return fail(Errc::exists,
                fmt::format("another ipsecd serves {}; end it first or name another path with --socket", path));
  if (::unlink(path.c_str()) != 0) return cannot("remove the stale socket", path, errno);
  return {};
}

Result<void> make_folder(const std::string& folder) {
  const mode_t mode = ::geteuid() == 0 ? 0755 : 0700;
  if (::mkdir(folder.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return fail(Errc::denied,
                fmt::format("cannot make the folder {}: {}; name another path with --socket", folder, text_of(errno)));
  }
  if (::chmod(folder.c_str(), mode) != 0) return cannot("set the mode of", folder, errno);  // Past the umask.
  return {};
}

}  // namespace

Result<Listener> Listener::at(const std::string& path, int type, std::chrono::milliseconds patience) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  const auto lock = lock_folder(path, patience);
  if (!lock) return std::unexpected(lock.error());
  if (auto r = remove_stale(path, *address, type); !r) return std::unexpected(r.error());

  Listener listener;
  listener.fd_ = new_socket(type);
  if (!listener.fd_) return cannot("make a socket for", path, errno);
  const mode_t old = ::umask(0177);  // The file is 0600 from its first moment on.
  const int bound = ::bind(listener.fd(), generic(*address), sizeof *address);
  const int error = errno;
  ::umask(old);
  if (bound != 0) return cannot("make the socket", path, error);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return cannot("look at", path, errno);
  listener.path_ = path;
  listener.made_here_ = true;
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  if (::listen(listener.fd(), kBacklog) != 0) return cannot("listen on", path, errno);
  return listener;
}

Result<void> Listener::let_in(const Policy& policy) {
  if (!made_here_ || (!policy.group && !policy.read_group)) return {};
  constexpr mode_t kOneGroup = 0660, kAll = 0666;
  const gid_t group = policy.group ? *policy.group : *policy.read_group;
  struct stat info{};
  const auto is_theirs = [&] { return ::lstat(path_.c_str(), &info) == 0 && info.st_gid == group; };
  // Where the file cannot be the group's, as where there are two, the kernel's word on who a client is decides alone.
  const bool one = !(policy.group && policy.read_group) &&
                   (is_theirs() || ::lchown(path_.c_str(), static_cast<uid_t>(-1), group) == 0);
  if (::chmod(path_.c_str(), one ? kOneGroup : kAll) != 0) return cannot("set the mode of", path_, errno);
  return {};
}

std::optional<gid_t> Listener::group_of_file() const {
  constexpr mode_t kGroup = 0060, kOthers = 0007;
  struct stat info{};
  if (made_here_ || path_.empty() || ::lstat(path_.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return std::nullopt;
  if ((info.st_mode & kGroup) != kGroup || (info.st_mode & kOthers) != 0) return std::nullopt;
  return info.st_gid;
}

Result<Listener> Listener::at_default(const std::string& path) {
  if (auto r = make_folder(folder_of(path)); !r) return std::unexpected(r.error());
  return at(path);
}

Result<Listener> Listener::handed_over(std::vector<Fd> sockets) {
  if (sockets.empty()) return Listener();
  if (sockets.size() > 1)
    return fail(Errc::invalid,
                fmt::format("the service manager handed over {} sockets; one is served", sockets.size()));
  Listener listener;
  listener.fd_ = std::move(sockets.front());
  if (sd_is_socket(listener.fd(), AF_UNIX, SOCK_SEQPACKET, 1) <= 0)
    return fail(Errc::invalid,
                "what the service manager handed over is no listening Unix SOCK_SEQPACKET socket: use "
                "ListenSequentialPacket= in the socket unit");
  ::fcntl(listener.fd(), F_SETFL, ::fcntl(listener.fd(), F_GETFL) | O_NONBLOCK);
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener.fd(), generic(address), &size) == 0) listener.path_ = address.sun_path;
  return listener;
}

Listener::~Listener() {
  struct stat info{};
  if (!fd_ || !made_here_ || ::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace ipsecd
