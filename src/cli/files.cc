// How files with keys are read and written:
// 1. InputFile::open() finds a file without opening it, checks what it is, and then opens that very file.
// 2. Care::refuse also checks the folder and refuses links and files that others can reach. Otherwise that becomes a
//    reservation, which the caller can show.
// 3. read() waits for the file and for signals, so that a pipe can be interrupted.
// 4. OutputFile writes to a file without a name or, where there is no such thing, to a temporary one beside the target.
// 5. commit() syncs it and gives it its name in one step: a reader sees the old file or the whole new one.
#include "cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/registers.h"
#include "pfkey/units.h"
#include "system/errno_text.h"
#include "system/held_signals.h"

namespace ipseckey::cli {
namespace {

std::string why() { return errno_text(errno); }

struct NetworkFileSystem {
  std::uint32_t magic;
  std::string_view name;
};
// statfs(2).
constexpr std::array kNetworkFileSystems = {
    NetworkFileSystem{0x6969, "NFS"},      NetworkFileSystem{0x517b, "SMB"},      NetworkFileSystem{0xff534d42, "SMB"},
    NetworkFileSystem{0xfe534d42, "SMB"},  NetworkFileSystem{0x564c, "NCP"},      NetworkFileSystem{0x5346414f, "AFS"},
    NetworkFileSystem{0x6b414653, "AFS"},  NetworkFileSystem{0x00c36400, "Ceph"}, NetworkFileSystem{0x01021997, "9P"},
    NetworkFileSystem{0x73757245, "Coda"},
};

bool is_ours(const struct stat& st) { return st.st_uid == 0 || st.st_uid == geteuid(); }

// Checks who can access it, by owner and mode.
std::vector<std::string> open_to(const struct stat& st, const std::string& name, Holds holds) {
  std::vector<std::string> found;
  const unsigned mode = st.st_mode & 07777u;
  if (holds == Holds::rules) {
    if ((mode & 022u) != 0)
      found.push_back(fmt::format("other users can change its rules (mode {:04o}): chmod 644 {}", mode, name));
    if (!is_ours(st)) found.push_back(fmt::format("it belongs to another user (uid {})", st.st_uid));
    return found;
  }
  if ((mode & 077u) != 0)
    found.push_back(fmt::format("it holds keys and other users can access it (mode {:04o}): chmod 600 {}", mode, name));
  if (!is_ours(st)) found.push_back(fmt::format("it holds keys and belongs to another user (uid {})", st.st_uid));
  return found;
}

void look_at_system(int fd, std::vector<std::string>& found) {
  struct statfs fs{};
  if (fstatfs(fd, &fs) == 0)
    for (const auto& row : kNetworkFileSystems)
      if (static_cast<std::uint32_t>(fs.f_type) == row.magic)
        found.push_back(fmt::format(
            "it holds keys and is on a network file system ({}): reading it sends them over the network", row.name));
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

std::string by_descriptor(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

// A file without a name vanishes with the process. None: the file system has none, or /proc to name it later is not
// there.
Descriptor unnamed_file(const std::string& path) {
  Descriptor fd(::open(folder_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  return fd && access(by_descriptor(fd.get()).c_str(), F_OK) == 0 ? std::move(fd) : Descriptor();
}

std::unexpected<Error> cannot_open(const std::string& name) {
  return fail(errno == EACCES || errno == EPERM ? Errc::denied : Errc::io,
              fmt::format("cannot open {}: {}", name, why()));
}

// The file that a path leads to, found but not opened: its type is checked first.
struct Found {
  Descriptor fd;
  struct stat st{};
};

Result<Found> find(int folder, const std::string& path, int flags, const std::string& name) {
  Found found{Descriptor(::openat(folder, path.c_str(), O_PATH | O_CLOEXEC | flags)), {}};
  if (!found.fd || fstat(found.fd.get(), &found.st) != 0) return cannot_open(name);
  return found;
}

// Through its folder, which is checked through the descriptor that found it, too.
Result<Found> find_carefully(const std::string& path, const std::string& name, Holds holds) {
  const std::string folder = folder_of(path);
  const auto at = find(AT_FDCWD, folder, O_DIRECTORY, name);
  if (!at) return std::unexpected(at.error());
  const unsigned mode = at->st.st_mode & 07777u;
  const bool rules = holds == Holds::rules;
  if (!is_ours(at->st) || (mode & (rules ? 022u : 066u)) != 0)
    return fail(Errc::invalid,
                fmt::format("{} is refused: other users can {} its folder (mode {:04o}, uid {}): "
                            "chmod {} that folder",
                            name, rules ? "write" : "read or write", mode, at->st.st_uid, rules ? "755" : "700"));
  const auto slash = path.rfind('/');
  auto found = find(at->fd.get(), slash == std::string::npos ? path : path.substr(slash + 1), O_NOFOLLOW, name);
  if (found && S_ISLNK(found->st.st_mode))
    return fail(Errc::invalid, fmt::format("{} is refused: it is a symbolic link; name the file itself", name));
  return found;
}

bool is_nameless(int fd) {
  struct statfs fs{};
  return fstatfs(fd, &fs) == 0 && static_cast<std::uint32_t>(fs.f_type) == PIPEFS_MAGIC;
}

// Why this kind of file is not opened; empty: it is.
std::string_view unfit(const Found& found, Pipes pipes) {
  const mode_t mode = found.st.st_mode;
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "is a directory, not a file";
  if (pipes == Pipes::none) return "is not a regular file; keys are read only from regular files";
  if (!S_ISFIFO(mode)) return "is neither a regular file nor a pipe";
  if (pipes == Pipes::nameless && !is_nameless(found.fd.get())) return "is a FIFO; only -f and load accept one";
  return "";
}

// Opens the file that was found, whatever its name leads to now. Does not wait for the other end of a FIFO.
Result<Descriptor> open_found(const Found& found, const std::string& path, const std::string& name) {
  constexpr int kReading = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  Descriptor fd(::open(by_descriptor(found.fd.get()).c_str(), kReading));
  if (!fd && errno == ENOENT) {  // There is no /proc.
    struct stat st{};
    fd = Descriptor(::open(path.c_str(), kReading));
    if (fd && (fstat(fd.get(), &st) != 0 || st.st_dev != found.st.st_dev || st.st_ino != found.st.st_ino))
      return fail(Errc::io, fmt::format("{} was replaced by another file while it was being opened", name));
  }
  if (!fd) return cannot_open(name);
  return fd;
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path, Care care, Pipes pipes, const std::string& shown,
                                  Holds holds) {
  InputFile file;
  if (path == "-" && pipes != Pipes::none) {
    file.name_ = file.shown_ = "<stdin>";
    file.fd_ = Descriptor(STDIN_FILENO);
    return file;
  }
  file.name_ = path;
  const std::string& name = file.shown_ = shown.empty() ? pfkey::escaped(path) : shown;
  auto found = care == Care::refuse ? find_carefully(path, name, holds) : find(AT_FDCWD, path, 0, name);
  if (!found) return std::unexpected(std::move(found.error()));
  if (const auto reason = unfit(*found, pipes); !reason.empty())
    return fail(Errc::io, fmt::format("{} {}", name, reason));
  auto opened = open_found(*found, path, name);
  if (!opened) return std::unexpected(std::move(opened.error()));
  file.fd_ = std::move(*opened);
  const bool regular = S_ISREG(found->st.st_mode);
  if (!regular && is_nameless(found->fd.get())) return file;
  if (regular) file.size_ = static_cast<std::uint64_t>(found->st.st_size);
  file.reservations_ = open_to(found->st, name, holds);
  if (care == Care::refuse && !file.reservations_.empty())
    return fail(Errc::invalid, fmt::format("{} is refused: {}", name, file.reservations_.front()));
  if (holds == Holds::keys) look_at_system(file.fd_.get(), file.reservations_);
  return file;
}

Result<std::size_t> InputFile::read(MutableBytes out) {
  while (true) {
    std::array<pollfd, 2> waiting{{{fd_.get(), POLLIN, 0}, {HeldSignals::fd(), POLLIN, 0}}};
    wipe_registers();
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) continue;
    if (waiting[1].revents != 0) return fail(Errc::io, "interrupted");
    const ssize_t got = ::read(fd_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN) return fail(Errc::io, fmt::format("cannot read {}: {}", shown_, why()));
  }
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  OutputFile file;
  file.path_ = path;
  struct stat st{};
  if (lstat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode))
    return fail(Errc::io,
                fmt::format("cannot save to {}: it is {}; keys are written only to regular files", pfkey::escaped(path),
                            S_ISLNK(st.st_mode)   ? "a symbolic link"
                            : S_ISDIR(st.st_mode) ? "a directory"
                                                  : "not a regular file"));
  file.fd_ = unnamed_file(path);
  if (file.fd_) return file;
  std::string name = path + ".XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);  // Mode 0600, O_EXCL: never another's file, never through a link.
  if (fd < 0) return fail(Errc::io, fmt::format("cannot save to {}: {}", pfkey::escaped(path), why()));
  file.fd_ = Descriptor(fd);
  file.temporary_ = std::move(name);
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), fd_(std::move(other.fd_)) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::string_view text) {
  while (!text.empty()) {
    wipe_registers();
    const ssize_t done = ::write(fd_.get(), text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail(Errc::io, fmt::format("cannot write {}: {}", pfkey::escaped(path_), why()));
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

// Gives the file its name: at once if nothing has it, else through a name of its own, because only rename() replaces.
bool OutputFile::give_name() {
  const auto link_as = [&](const std::string& name) {
    return linkat(AT_FDCWD, by_descriptor(fd_.get()).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (temporary_.empty()) {
    if (link_as(path_)) return true;
    std::random_device random;
    for (int tries = 0; tries < 100 && temporary_.empty() && errno == EEXIST; ++tries)
      if (std::string name = fmt::format("{}.{:06x}", path_, random() & 0xffffff); link_as(name))
        temporary_ = std::move(name);
    if (temporary_.empty()) return false;
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return false;
  temporary_.clear();
  return true;
}

Result<void> OutputFile::commit() {
  if (fsync(fd_.get()) != 0 || !give_name())
    return fail(Errc::io, fmt::format("cannot save to {}: {}", pfkey::escaped(path_), why()));
  const Descriptor d(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (d) fsync(d.get());  // So that the name survives a crash, too.
  return {};
}

}  // namespace ipseckey::cli
