#include "ipsecd/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

using Clock = std::chrono::steady_clock;

// flock() alone would wait forever, and a signal that ends the wait needs a handler.
bool lock_until(int fd, Clock::time_point deadline) {
  constexpr int kPause = 2;  // Milliseconds.
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || Clock::now() >= deadline) return false;
    ::poll(nullptr, 0, kPause);
  }
  return true;
}

std::unexpected<Error> cannot(const std::string& shown) {
  const int error = errno;
  return fail(error == EACCES || error == EPERM ? Errc::denied : Errc::io,
              fmt::format("cannot create the lock file {}: {}", shown, errno_text(error)));
}

bool is_ours(const struct stat& file, int folder) {
  struct stat place{};
  if (!S_ISREG(file.st_mode) || (file.st_mode & 0077) != 0 || ::fstat(folder, &place) != 0) return false;
  return file.st_uid == ::geteuid() || file.st_uid == 0 || file.st_uid == place.st_uid;
}

}  // namespace

Result<FileLock> FileLock::take(int folder, const std::string& name, const std::string& shown,
                                std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (true) {
    Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat mine{}, there{};
    if (!file || ::fstat(file.get(), &mine) != 0) return cannot(shown);
    if (!is_ours(mine, folder))
      return fail(Errc::exists,
                  fmt::format("{} is not ipsecd's lock file: another user owns it or can open it; remove it", shown));
    if (!lock_until(file.get(), deadline))
      return fail(Errc::timeout, fmt::format("another program has held the lock {} for {} s; stop it and try again",
                                             shown, std::chrono::duration<double>(patience).count()));
    // Its previous owner removed the file; the next process locks another one.
    const bool same = ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                      there.st_dev == mine.st_dev && there.st_ino == mine.st_ino;
    if (same) return FileLock(std::move(file), folder, name);
  }
}

FileLock::~FileLock() {
  if (file_) ::unlinkat(folder_, name_.c_str(), 0);
}

}  // namespace ipseckey::ipsecd
