#include "apply/lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "pfkey/units.h"
#include "system/errno_text.h"

namespace ipseckey::apply {
namespace {

constexpr int kLookAgain = 20;  // Milliseconds.

std::unexpected<Error> cannot(const std::string& path) {
  return fail(errno == EACCES || errno == EPERM ? Errc::denied : Errc::io,
              fmt::format("cannot lock {}: {}", pfkey::escaped(path), errno_text(errno)));
}

// The byte of a SADB: FNV-1a of its name, the same in every process. Two SADBs with one hash only wait for each other.
off_t byte_of(const std::string& sadb) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : sadb) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return static_cast<off_t>(hash >> 2);
}

// Locks of POSIX, because the kernel names the process that holds one.
struct flock lock_of(const std::string& sadb) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte_of(sadb);
  lock.l_len = 1;
  return lock;
}

std::unexpected<Error> held_by_another(int fd, const std::string& sadb) {
  struct flock lock = lock_of(sadb);
  const bool known = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
  return fail(Errc::timeout,
              fmt::format("another apply is running{}; nothing was changed: try again when it has finished",
                          known ? fmt::format(" (process {})", static_cast<long>(lock.l_pid)) : std::string()));
}

}  // namespace

Result<Lock> Lock::take(const std::string& path, const std::string& sadb, std::chrono::milliseconds patience,
                        int stop_fd) {
  const std::string folder = std::filesystem::path(path).parent_path();
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return cannot(path);
  Lock lock(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.fd_) return cannot(path);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    struct flock wanted = lock_of(sadb);
    if (fcntl(lock.fd_.get(), F_SETLK, &wanted) == 0) return lock;
    if (errno != EAGAIN && errno != EACCES) return cannot(path);
    if (std::chrono::steady_clock::now() >= deadline) return held_by_another(lock.fd_.get(), sadb);
    pollfd stop{stop_fd, POLLIN, 0};
    if (poll(&stop, 1, kLookAgain) > 0) return fail(Errc::exists, "interrupted while waiting for another apply");
  }
}

}  // namespace ipseckey::apply
