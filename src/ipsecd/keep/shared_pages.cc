#include "ipsecd/keep/shared_pages.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

// Address space, reserved at once: nothing ever moves.
constexpr std::size_t kMost = std::size_t{1} << 33, kLeast = std::size_t{1} << 24;
constexpr std::size_t kStep = std::size_t{1} << 20;  // For growing the memory.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_SEAL;

std::unexpected<Error> cannot(const char* what) {
  return fail(Errc::io, fmt::format("cannot {} memory for a restart: {}", what, errno_text(errno)));
}

// Most of the address space that the process may use is left for other purposes.
std::size_t wanted_room() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kMost;
  return std::clamp<std::size_t>(std::bit_floor(limit.rlim_cur / 8), kLeast, kMost);
}

}  // namespace

SharedPages::SharedPages(SharedPages&& other) noexcept
    : fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      room_(std::exchange(other.room_, 0)) {}

SharedPages::~SharedPages() {
  if (base_) ::munmap(base_, room_);
}

Result<void> SharedPages::map() {
  void* base = MAP_FAILED;
  for (room_ = wanted_room(); room_ >= kLeast; room_ /= 2) {
    base = ::mmap(nullptr, room_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
    if (base != MAP_FAILED) break;
  }
  if (base == MAP_FAILED) return cannot("map");
  ::madvise(base, room_, MADV_DONTDUMP);
  base_ = static_cast<std::byte*>(base);
  return {};
}

Result<SharedPages> SharedPages::make(const char* name) {
  SharedPages pages(Descriptor(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)));
  if (!pages.fd_) return cannot("create");
  if (::fcntl(pages.fd(), F_ADD_SEALS, kSeals) != 0) return cannot("seal");
  if (auto r = pages.map(); !r) return std::unexpected(r.error());
  return pages;
}

Result<SharedPages> SharedPages::take_over(Descriptor fd) {
  SharedPages pages(std::move(fd));
  struct stat info{};
  if (::fcntl(pages.fd(), F_GET_SEALS) != kSeals || ::fstat(pages.fd(), &info) != 0 || info.st_size < 0)
    return fail(Errc::malformed, "the memory kept for a restart is not sealed");
  if (auto r = pages.map(); !r) return std::unexpected(r.error());
  pages.size_ = static_cast<std::size_t>(info.st_size);
  if (pages.size_ > pages.room_)
    return fail(Errc::io,
                "the memory kept for a restart is larger than this process may map: raise RLIMIT_AS (in the unit "
                "LimitAS=)");
  return pages;
}

bool SharedPages::grow(std::size_t size) {
  if (size <= size_) return true;
  if (size > room_) return false;
  const std::size_t rounded = std::min(room_, (size + kStep - 1) / kStep * kStep);
  // Allocates the memory before it is touched: a missing page would raise a signal.
  if (::fallocate(fd_.get(), 0, static_cast<off_t>(size_), static_cast<off_t>(rounded - size_)) != 0) return false;
  size_ = rounded;
  return true;
}

}  // namespace ipseckey::ipsecd
