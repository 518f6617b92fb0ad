// What ipsecd gives up once everything is open:
// 1. wall_in() creates a Landlock ruleset of everything that this kernel's version can forbid, and allows only the
//    removal of ipsecd's own socket files.
// 2. confine() creates a filter of system calls that refuses by default.
// 3. add_rules() allows the calls that serving needs (kAllowed), some of them only with harmless arguments (no
//    executable memory, four families of sockets, ioctls of the TUN device), and ends the process for calls that
//    nothing here ever makes.
// 4. The filter is loaded for all threads at once. A build with sanitizers allows more.
#include "ipsecd/confine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <linux/landlock.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "system/descriptor.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

// The calls that serving needs, by purpose. A name that this architecture lacks is ignored.
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
    // memory; mmap and mprotect are rules of their own
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "memfd_create",
    // time, randomness, threads
    "clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep", "getrandom", "futex",
    "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "getpid", "gettid", "getuid", "geteuid", "getgid",
    "getegid", "uname", "getcpu", "membarrier",
    // the end: are the socket files still its own?
    "lstat", "stat", "exit", "exit_group"};

// Removes socket files at the end. A filter cannot see which file is meant.
constexpr const char* kRemoving[] = {"unlink", "unlinkat"};

// For the leak check at the end, and reports.
constexpr const char* kOfSanitizers[] = {"clone",          "clone3",      "ptrace",    "wait4",
                                         "prctl",          "sigaltstack", "readlink",  "getdents64",
                                         "sched_getparam", "prlimit64",   "getrlimit", "getrusage",
                                         "personality",    "pipe2",       "ioctl",     "sched_getscheduler",
                                         "getppid"};

// A TUN device that disappeared is created again, on descriptors that are open. SIOCOUTQ counts what waits in a socket.
constexpr unsigned long kOfDevices[] = {TUNSETIFF,    TUNGETIFF,     TUNSETOFFLOAD, SIOCSIFMTU,   SIOCGIFFLAGS,
                                        SIOCSIFFLAGS, SIOCGIFTXQLEN, SIOCSIFTXQLEN, SIOCGIFINDEX, SIOCOUTQ};

// Nothing here ever makes these calls.
constexpr const char* kDeadly[] = {"execve",           "execveat",          "fork",       "vfork",
                                   "ptrace",           "init_module",       "bpf",        "finit_module",
                                   "process_vm_readv", "process_vm_writev", "kexec_load", "kexec_file_load",
                                   "userfaultfd"};

// What Landlock must forbid, in the kernel's structure; older headers know only the first field.
struct Ruleset {
  std::uint64_t files = 0, network = 0, scopes = 0;
};
// The rights by the version of Landlock that added them.
struct Since : Ruleset {
  long version = 0;
};
constexpr std::uint64_t kReads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr Since kSince[] = {
    {{.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1}, 1},  // All rights of the first version.
    {{.files = std::uint64_t{1} << 13}, 2},                  // Renaming to another folder.
    {{.files = std::uint64_t{1} << 14}, 3},                  // Truncating.
    {{.network = 3}, 4},                                     // TCP: bind and connect.
    {{.files = std::uint64_t{1} << 15}, 5},                  // ioctl of devices.
    {{.scopes = std::uint64_t{1} << 1}, 6},                  // Signals to processes outside.
};

constexpr int kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

// 0, or the library's error. A call that does not exist here needs no rule.
int add(const Filter& filter, std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> when = {}) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const int r = seccomp_rule_add_array(filter.get(), action, number, static_cast<unsigned>(when.size()), when.begin());
  return r == -EDOM || r == -EEXIST ? 0 : r;
}

int add_rules(const Filter& filter, bool may_remove) {
  int r = 0;
  const auto rule = [&](std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> when = {}) {
    if (r == 0) r = add(filter, action, name, when);
  };
  for (const char* const name : kAllowed) rule(SCMP_ACT_ALLOW, name);
  if (may_remove)
    for (const char* const name : kRemoving) rule(SCMP_ACT_ALLOW, name);
  for (const char* const name : {"mmap", "mmap2", "mprotect"})
    rule(SCMP_ACT_ALLOW, name, {scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}});
  // A failed assertion's signal, to itself.
  rule(SCMP_ACT_ALLOW, "tgkill", {scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0}});
  for (const int family : kFamilies)
    rule(SCMP_ACT_ALLOW, "socket", {scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0}});
  for (const unsigned long command : kOfDevices)
    rule(SCMP_ACT_ALLOW, "ioctl", {scmp_arg_cmp{1, SCMP_CMP_EQ, static_cast<scmp_datum_t>(command), 0}});
  // Flags and seals of descriptors.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS})
    rule(SCMP_ACT_ALLOW, "fcntl", {scmp_arg_cmp{1, SCMP_CMP_EQ, static_cast<scmp_datum_t>(command), 0}});
  if (kSanitized) {
    constexpr scmp_datum_t kWrites = O_ACCMODE | O_CREAT | O_TRUNC;
    rule(SCMP_ACT_ALLOW, "openat", {scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY}});
    rule(SCMP_ACT_ALLOW, "open", {scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY}});
    for (const char* const name : kOfSanitizers) rule(SCMP_ACT_ALLOW, name);
  } else {
    for (const char* const name : kDeadly) rule(SCMP_ACT_KILL_PROCESS, name);
  }
  return r;
}

}  // namespace

Result<void> wall_in(std::span<const std::string> folders) {
  const auto cannot = [](int error) {
    const bool none = error == ENOSYS || error == EOPNOTSUPP || error == EPERM;  // EPERM: a container's filter.
    return fail(none ? Errc::unsupported : Errc::io,
                fmt::format("cannot give up access to files (Landlock): {}", errno_text(error)));
  };
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return cannot(errno);
  Ruleset all;
  for (const Since& row : kSince) {
    if (version < row.version) continue;
    all.files |= row.files, all.network |= row.network, all.scopes |= row.scopes;
  }
  if (kSanitized) all.files &= ~kReads;
  const Descriptor rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0)));
  if (!rules) return cannot(errno);
  for (const std::string& folder : folders) {
    const Descriptor place(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place) return fail(Errc::io, fmt::format("cannot open the folder {}: {}", folder, errno_text(errno)));
    const landlock_path_beneath_attr rule{.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE, .parent_fd = place.get()};
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) return cannot(errno);
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return cannot(errno);
  return {};
}

Result<void> confine(bool may_remove) {
  const auto refused = [](int error) {
    return fail(Errc::unsupported,
                fmt::format("cannot install the system-call filter (seccomp): {}", errno_text(error)));
  };
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return refused(ENOMEM);
  if (const int r = add_rules(filter, may_remove); r != 0) return refused(-r);
  if (const int r = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); r != 0) return refused(-r);
  if (const int r = seccomp_load(filter.get()); r != 0) return refused(-r);
  return {};
}

}  // namespace ipseckey::ipsecd
