// Preloaded into a program of ours: its FAIL_AT-th call of FAIL_CALL fails as if the system had run out of resources.
// The file FAIL_TOLD records that it did. With FILE_SYSTEM, files appear to be on a file system of that number
// (statfs(2)).
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

extern "C" void* __libc_malloc(std::size_t size);

namespace {

bool fails(const char* call, int error) {
  static std::atomic<long> calls = 0;
  const char* const wanted = std::getenv("FAIL_CALL");
  const char* const at = std::getenv("FAIL_AT");
  const char* const told = std::getenv("FAIL_TOLD");
  if (!wanted || !at || !told || std::strcmp(wanted, call) != 0 || ++calls != std::atol(at)) return false;
  syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, told, O_CREAT | O_WRONLY, 0600));
  errno = error;
  return true;
}

template <class F>
F* real(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  F* function = nullptr;
  std::memcpy(&function, &found, sizeof function);
  return function;
}

}  // namespace

// NAME(arguments) of the C library, which fails with ERROR.
#define FAILING(NAME, RESULT, FAILURE, ERROR, PARAMETERS, ARGUMENTS) \
  extern "C" RESULT NAME PARAMETERS {                                \
    static auto* const next = real<RESULT PARAMETERS>(#NAME);        \
    if (fails(#NAME, ERROR)) return FAILURE;                         \
    return next ARGUMENTS;                                           \
  }

FAILING(read, ssize_t, -1, EIO, (int fd, void* to, std::size_t size), (fd, to, size))
FAILING(write, ssize_t, -1, ENOSPC, (int fd, const void* from, std::size_t size), (fd, from, size))
FAILING(fsync, int, -1, EIO, (int fd), (fd))
FAILING(linkat, int, -1, EIO, (int from, const char* old_name, int to, const char* name, int flags),
        (from, old_name, to, name, flags))
FAILING(rename, int, -1, EIO, (const char* from, const char* to), (from, to))
FAILING(socket, int, -1, EMFILE, (int family, int type, int protocol), (family, type, protocol))
FAILING(connect, int, -1, ECONNREFUSED, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
FAILING(send, ssize_t, -1, EPIPE, (int fd, const void* from, std::size_t size, int flags), (fd, from, size, flags))
FAILING(recv, ssize_t, -1, ECONNRESET, (int fd, void* to, std::size_t size, int flags), (fd, to, size, flags))
FAILING(poll, int, -1, ENOMEM, (pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
FAILING(mmap, void*, MAP_FAILED, ENOMEM, (void* at, std::size_t size, int rights, int flags, int fd, off_t from),
        (at, size, rights, flags, fd, from))

extern "C" void* malloc(std::size_t size) { return fails("malloc", ENOMEM) ? nullptr : __libc_malloc(size); }

extern "C" int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int mode = va_arg(more, int);
  va_end(more);
  return fails("open", EMFILE) ? -1 : static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

extern "C" int fstatfs(int fd, struct statfs* info) {
  static auto* const next = real<int(int, struct statfs*)>("fstatfs");
  const int result = next(fd, info);
  if (const char* const number = std::getenv("FILE_SYSTEM"); number && result == 0)
    info->f_type = std::strtol(number, nullptr, 0);
  return result;
}
