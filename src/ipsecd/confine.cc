#include "ipsecd/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "ipsecd/error_text.h"

namespace ipsecd {
namespace {

// What serving takes, by what it is for. A name that this architecture lacks is passed over.
constexpr const char* kAllowed[] = {
    // descriptors
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "fstat", "newfstatat", "statx", "lseek",
    "ftruncate", "fallocate", "fsync",
    // clients and packets
    "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendmmsg", "connect", "bind",
    "listen", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername",
    // the event loop
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "eventfd2",
    "timerfd_create", "timerfd_settime", "signalfd4", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn",
    "restart_syscall",
    // memory
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mlock", "mlock2", "munlock", "memfd_create",
    // time, chance, threads
    "clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep", "getrandom", "futex",
    "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "getpid", "gettid", "getuid", "geteuid", "getgid",
    "getegid", "uname", "getcpu", "membarrier",
    // the end: its sockets' files, and a failed assertion
    "lstat", "stat", "unlink", "unlinkat", "tgkill", "exit", "exit_group"};

// The look for leaks at the end, and reports.
constexpr const char* kOfSanitizers[] = {"clone",          "clone3",      "ptrace",    "wait4",
                                         "prctl",          "sigaltstack", "readlink",  "getdents64",
                                         "sched_getparam", "prlimit64",   "getrlimit", "getrusage",
                                         "personality",    "pipe2",       "ioctl",     "sched_getscheduler",
                                         "getppid"};

// Nothing here ever makes them.
constexpr const char* kDeadly[] = {"execve",           "execveat",          "fork",       "vfork",
                                   "ptrace",           "init_module",       "bpf",        "finit_module",
                                   "process_vm_readv", "process_vm_writev", "kexec_load", "kexec_file_load",
                                   "userfaultfd"};

constexpr int kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

// 0, or what the library says. A call that does not exist here needs no rule.
int add(const Filter& filter, std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> when = {}) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const int r = seccomp_rule_add_array(filter.get(), action, number, static_cast<unsigned>(when.size()), when.begin());
  return r == -EDOM || r == -EEXIST ? 0 : r;
}

int add_rules(const Filter& filter) {
  int r = 0;
  const auto rule = [&](std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> when = {}) {
    if (r == 0) r = add(filter, action, name, when);
  };
  for (const char* const name : kAllowed) rule(SCMP_ACT_ALLOW, name);
  for (const int family : kFamilies)
    rule(SCMP_ACT_ALLOW, "socket", {scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0}});
  // Locks and flags of descriptors; no file is opened for writing any more.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS})
    rule(SCMP_ACT_ALLOW, "fcntl", {scmp_arg_cmp{1, SCMP_CMP_EQ, static_cast<scmp_datum_t>(command), 0}});
  constexpr scmp_datum_t kWrites = O_ACCMODE | O_CREAT | O_TRUNC;
  rule(SCMP_ACT_ALLOW, "openat", {scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY}});
  rule(SCMP_ACT_ALLOW, "open", {scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY}});
  if (kSanitized) {
    for (const char* const name : kOfSanitizers) rule(SCMP_ACT_ALLOW, name);
  } else {
    for (const char* const name : kDeadly) rule(SCMP_ACT_KILL_PROCESS, name);
  }
  return r;
}

}  // namespace

Result<void> confine() {
  const auto refused = [](int error) {
    return fail(Errc::unsupported,
                fmt::format("cannot do without the system calls that serving does not need: {}", text_of(error)));
  };
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return refused(ENOMEM);
  if (const int r = add_rules(filter); r != 0) return refused(-r);
  if (const int r = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); r != 0) return refused(-r);
  if (const int r = seccomp_load(filter.get()); r != 0) return refused(-r);
  return {};
}

}  // namespace ipsecd
