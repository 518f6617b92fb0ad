#include "ipsecd/keep/shared_pages.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Bytes of address space that this process has.
std::size_t address_space() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(SharedPages, ReserveEightGiB) {
  const std::size_t before = address_space();
  const auto pages = SharedPages::make("test").value();
  EXPECT_EQ(pages.room(), 8192 * kMiB);
  EXPECT_LE(address_space() - before, 8193 * kMiB);
}

// In a process of its own: not everybody can raise limits again.
[[noreturn]] void with_little_room() {
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = address_space() + 230 * kMiB;
  ::setrlimit(RLIMIT_AS, &limit);
  auto first = SharedPages::make("first"), second = SharedPages::make("second");
  if (!first || !second) ::_exit(1);
  if (first->room() + second->room() > address_space() || first->room() < 16 * kMiB) ::_exit(2);
  const std::size_t room = second->room();
  if (!second->grow(room) || second->size() != room || second->grow(room + 1)) ::_exit(3);
  second->bytes().back() = std::byte{1};
  ::_exit(0);
}

TEST(SharedPages, UseTheRemainingAddressSpace) { EXPECT_EXIT(with_little_room(), ::testing::ExitedWithCode(0), ""); }

}  // namespace
}  // namespace ipseckey::ipsecd
