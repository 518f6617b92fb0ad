#include "backend/sadb_place.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "system/descriptor.h"
#include "system/text_in.h"

namespace ipseckey::backend {
namespace {

constexpr std::string_view kSocket = "ipsecd:";

std::uint64_t inode_of(const char* path) {
  struct stat info{};
  return ::stat(path, &info) == 0 ? info.st_ino : 0;
}

// The PID namespace and the clock that /proc uses; 0: it shows other processes than kill() reaches, because it was
// mounted in another namespace. The clock's namespace moves when they began.
std::uint64_t view() {
  std::error_code none;
  if (std::filesystem::read_symlink("/proc/self", none) != std::to_string(::getpid())) return 0;
  const std::uint64_t numbers = inode_of("/proc/self/ns/pid"), clock = inode_of("/proc/self/ns/time");
  return numbers == 0 ? 0 : (numbers << 31) + clock;
}

// Containers mount a file of their own there, which does not mean another boot.
std::string boot_of_the_machine() {
  const char* const path = "/proc/sys/kernel/random/boot_id";
  struct stat id{}, proc{};
  const bool real = ::stat(path, &id) == 0 && ::stat("/proc/self/stat", &proc) == 0 && id.st_dev == proc.st_dev;
  return real ? text_in(path) : std::string();
}

// Linux 5.14 and later.
std::uint64_t namespace_cookie() {
#ifndef SO_NETNS_COOKIE
  constexpr int SO_NETNS_COOKIE = 71;
#endif
  const Descriptor fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return 0;
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) cookie = 0;
  return cookie;
}

std::string with_links_followed(const std::string& path) {
  std::error_code none;
  const auto full = std::filesystem::weakly_canonical(path, none);
  return none ? path : full.string();
}

// The 22nd field; the second is a name in parentheses, which may have blanks and parentheses in it.
std::optional<std::uint64_t> start_of(std::uint64_t pid) {
  const std::string all = text_in(fmt::format("/proc/{}/stat", pid));
  std::string_view rest = all;
  const auto name_end = rest.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(name_end);
  for (int field = 2; field < 22; ++field) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  std::uint64_t start = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), start);
  return read.ec == std::errc() ? std::optional(start) : std::nullopt;
}

// By the words that it was started with.
bool keeps_nothing(std::uint64_t pid) {
  const std::string all = text_in(fmt::format("/proc/{}/cmdline", pid));
  std::string_view words = all;
  bool first = true;
  while (!words.empty()) {
    const auto end = std::min(words.find('\0'), words.size());
    const std::string_view word = words.substr(0, end);
    if (first ? word.substr(word.rfind('/') + 1) != "ipsecd" : word.starts_with("--keep")) return false;
    first = false;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return !first;
}

}  // namespace

SadbPlace kernel_place(std::uint64_t inode, std::uint64_t cookie) {
  const std::string older = fmt::format("kernel:{}", inode);
  return cookie == 0 ? SadbPlace{older} : SadbPlace{fmt::format("{}:{}", older, cookie), older};
}

SadbPlace this_kernel_place() {
  SadbPlace place = kernel_place(inode_of("/proc/self/ns/net"), namespace_cookie());
  place.boot = boot_of_the_machine();
  return place;
}

SadbPlace sadb_place(const Backend& sadb) {
  const std::string name = sadb.name();
  if (name == "kernel") return this_kernel_place();
  SadbPlace place{name};
  if (name.starts_with(kSocket)) {
    place.name = fmt::format("{}{}", kSocket, with_links_followed(name.substr(kSocket.size())));
    if (place.name != name) place.older = name;
    place.process = sadb_process(sadb.process());
  }
  place.boot = boot_of_the_machine();
  return place;
}

bool replaced_by(const std::string& name, const SadbPlace& here) {
  return !here.older.empty() && here.older.starts_with("kernel:") && name != here.name &&
         name.starts_with(here.older + ":");
}

SadbProcess sadb_process(std::uint32_t pid) {
  const auto start = pid == 0 ? std::nullopt : start_of(pid);
  const std::uint64_t seen_by = view();
  if (!start || seen_by == 0 || !keeps_nothing(pid)) return {};
  return {pid, *start, seen_by};
}

bool has_ended(const SadbProcess& process) {
  if (process.pid == 0 || process.view != view()) return false;
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0) return errno == ESRCH;
  const auto start = start_of(process.pid);  // Not to be seen by everybody.
  return start && *start != process.start;
}

}  // namespace ipseckey::backend
