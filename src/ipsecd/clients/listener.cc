// How the socket file is created and removed:
// 1. at() opens the folder and takes a lock in it, so that two daemons do not remove each other's socket.
// 2. remove_stale() removes a socket file on which nobody answers; anything else there is an error.
// 3. The new socket is bound with mode 0600, and its file is opened without following links to verify that it is ours.
// 4. let_in() opens the file for a group, or for everybody if only the kernel can identify a client's user.
// 5. handed_over() takes a socket from the service manager instead.
// 6. The destructor removes the file if it is still the same one.
#include "ipsecd/clients/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "ipsecd/file_lock.h"
#include "system/errno_text.h"
#include "system/unix_address.h"

namespace ipseckey::ipsecd {
namespace {

constexpr int kBacklog = 128;  // Connections waiting to be accepted.

std::unexpected<Error> cannot(const char* what, const std::string& path, int error) {
  const Errc code = error == EACCES || error == EPERM ? Errc::denied : Errc::io;
  return fail(code, fmt::format("cannot {} {}: {}", what, path, errno_text(error)));
}

Descriptor new_socket(int type) { return Descriptor(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

std::filesystem::path folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}
std::string name_of(const std::string& path) { return std::filesystem::path(path).filename(); }

Result<Descriptor> open_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  Descriptor fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT)
    return fail(Errc::io, fmt::format("there is no folder {}: create it with `mkdir -p {}`", folder, folder));
  if (!fd) return cannot("open the folder", folder, errno);
  return fd;
}

// Removes a socket file on which nobody answers.
Result<void> remove_stale(const std::string& path, const UnixAddress& address, int type) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return cannot("check", path, errno);
  }
  if (!S_ISSOCK(info.st_mode))
    return fail(Errc::exists, fmt::format("{} exists and is not a socket; remove it or choose another path", path));
  const Descriptor probe = new_socket(type);
  const bool refused = ::connect(probe.get(), address.get(), address.size()) != 0 && errno == ECONNREFUSED;
  if (!refused)
    return fail(Errc::exists,
                fmt::format("another ipsecd serves {}; stop it first or choose another path with --socket", path));
  if (::unlink(path.c_str()) != 0) return cannot("remove the stale socket", path, errno);
  return {};
}

// Opens the file by a descriptor: a file that another user puts there instead is neither followed nor changed.
Result<Descriptor> open_socket_file(const Descriptor& folder, const std::string& path, struct stat& info) {
  Descriptor file(::openat(folder.get(), name_of(path).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!file || ::fstat(file.get(), &info) != 0) return cannot("open", path, errno);
  // A second name was made by somebody else: the socket could be another program's.
  if (S_ISSOCK(info.st_mode) && info.st_uid == ::geteuid() && info.st_nlink == 1) return file;
  return fail(Errc::exists, fmt::format("another file replaced the socket {}: somebody else can write to its folder; "
                                        "choose one that only ipsecd's user can write to",
                                        path));
}

Result<void> make_folder(const std::string& folder) {
  const mode_t mode = ::geteuid() == 0 ? 0755 : 0700;
  const mode_t old = ::umask(~mode & 0777);  // The mode is right from the start.
  const int made = ::mkdir(folder.c_str(), mode);
  const int error = errno;
  ::umask(old);
  if (made == 0 || error == EEXIST) return {};
  return fail(Errc::denied, fmt::format("cannot create the folder {}: {}; choose another path with --socket", folder,
                                        errno_text(error)));
}

}  // namespace

Result<Listener> Listener::at(const std::string& path, int type, std::chrono::milliseconds patience) {
  const auto address = UnixAddress::of(path, path);
  if (!address) return std::unexpected(address.error());
  Listener listener;
  auto folder = open_folder(path);
  if (!folder) return std::unexpected(folder.error());
  listener.folder_ = std::move(*folder);
  const auto lock = FileLock::take(listener.folder(), name_of(path) + ".lock", path + ".lock", patience);
  if (!lock) return std::unexpected(lock.error());
  if (auto r = remove_stale(path, *address, type); !r) return std::unexpected(r.error());

  listener.fd_ = new_socket(type);
  if (!listener.fd_) return cannot("create a socket for", path, errno);
  ::fchmod(listener.fd(),
           0600);  // Linux gives the file the socket's mode, so it is right from the start.
  if (::bind(listener.fd(), address->get(), address->size()) != 0) return cannot("create the socket", path, errno);
  struct stat info{};
  if (auto file = open_socket_file(listener.folder_, path, info); !file) return std::unexpected(file.error());
  listener.path_ = path;
  listener.made_here_ = true;
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  if (::listen(listener.fd(), kBacklog) != 0) return cannot("listen on", path, errno);
  return listener;
}

Result<Descriptor> Listener::file() const {
  struct stat info{};
  auto file = open_socket_file(folder_, path_, info);
  if (!file || (info.st_dev == device_ && info.st_ino == inode_)) return file;
  return fail(Errc::exists, fmt::format("another socket replaced {}", path_));
}

Result<void> Listener::let_in(const Policy& policy) {
  if (!made_here_ || (!policy.group && !policy.read_group)) return {};
  constexpr mode_t kOneGroup = 0660, kAll = 0666;
  const gid_t group = policy.group ? *policy.group : *policy.read_group;
  const auto mine = file();
  if (!mine) return std::unexpected(mine.error());
  struct stat info{};
  const auto is_theirs = [&] { return ::fstat(mine->get(), &info) == 0 && info.st_gid == group; };
  // If the file cannot have the group, for example because there are two, the kernel's record of the client's user
  // decides.
  const bool one = !(policy.group && policy.read_group) &&
                   (is_theirs() || ::fchownat(mine->get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) == 0);
  // Before Linux 6.6, the mode behind an O_PATH descriptor can only be changed by its name in /proc.
  const std::string name = fmt::format("/proc/self/fd/{}", mine->get());
  if (::chmod(name.c_str(), one ? kOneGroup : kAll) != 0) return cannot("set the mode of", path_, errno);
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

Result<Listener> Listener::handed_over(std::vector<Descriptor> sockets) {
  if (sockets.empty()) return Listener();
  if (sockets.size() > 1)
    return fail(Errc::invalid,
                fmt::format("the service manager passed {} sockets, but ipsecd serves exactly one", sockets.size()));
  Listener listener;
  listener.fd_ = std::move(sockets.front());
  if (sd_is_socket(listener.fd(), AF_UNIX, SOCK_SEQPACKET, 1) <= 0)
    return fail(Errc::invalid,
                "the service manager passed something that is not a listening Unix SOCK_SEQPACKET socket: use "
                "ListenSequentialPacket= in the socket unit");
  ::fcntl(listener.fd(), F_SETFL, ::fcntl(listener.fd(), F_GETFL) | O_NONBLOCK);
  listener.path_ = UnixAddress::path_of(listener.fd());
  return listener;
}

Listener::~Listener() {
  struct stat info{};
  const std::string name = name_of(path_);
  if (!fd_ || !made_here_ || ::fstatat(folder_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlinkat(folder_.get(), name.c_str(), 0);
}

}  // namespace ipseckey::ipsecd
