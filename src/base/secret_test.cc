#include "base/secret.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace ipseckey {

namespace {

Secret filled(std::size_t size, unsigned value) {
  Secret s(size);
  for (std::byte& b : s.bytes()) b = static_cast<std::byte>(value);
  return s;
}

TEST(Secret, MovesAndDoesNotCopy) {
  static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
  static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);

  Secret a = filled(16, 0xa5);
  const std::byte* slot = a.bytes().data();
  Secret b = std::move(a);
  EXPECT_EQ(b.bytes().data(), slot) << "moving moves no byte";
  EXPECT_EQ(b, filled(16, 0xa5));
  Secret c;
  c = std::move(b);
  EXPECT_EQ(c.bytes().data(), slot);
  EXPECT_EQ(c.size(), 16u);
}

TEST(Secret, CloneIsASecondCopy) {
  Secret a = filled(16, 1);
  Secret b = a.clone();
  EXPECT_NE(a.bytes().data(), b.bytes().data());
  b.bytes()[3] = std::byte{9};
  EXPECT_EQ(a, filled(16, 1));
  EXPECT_NE(a, b);
}

TEST(Secret, StartsAsZeroOrACopy) {
  {
    const Secret dirty = filled(32, 0xff);
  }
  EXPECT_TRUE(all_zero(Secret(32).bytes())) << "also in a slot that was used before";
  const std::byte material[] = {std::byte{1}, std::byte{2}};
  EXPECT_EQ(Secret(Bytes(material)).bytes()[1], std::byte{2});
  EXPECT_TRUE(Secret().empty());
  EXPECT_TRUE(Secret(std::size_t{0}).empty());
}

TEST(Secret, AcceptsUpToItsMaximum) {
  EXPECT_EQ(filled(Secret::kMaxSize, 7).size(), Secret::kMaxSize);
  EXPECT_THROW(Secret(Secret::kMaxSize + 1), std::length_error);
}

TEST(Secret, IsWipedWhenReleased) {
  // The last chunk of slots is never unmapped, so reading a released one is not a use after free.
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{65}, Secret::kMaxSize}) {
    const std::byte* slot = nullptr;
    {
      const Secret s = filled(size, 0x5a);
      slot = s.bytes().data();
      EXPECT_FALSE(all_zero(Bytes(slot, size)));
    }
    EXPECT_TRUE(all_zero(Bytes(slot, size))) << size;
  }
}

// Bytes of this process' memory; not only what is locked, of which the limit may be small.
std::size_t mapped_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmSize:")) return std::stoul(line.substr(7)) * 1024;
  throw std::runtime_error("no VmSize");
}

TEST(Secret, ReleasedSecretsGiveTheirMemoryBack) {
  constexpr std::size_t kMany = 20'000, kRoom = 512 * 1024;
  std::vector<Secret> many;
  many.reserve(kMany);
  const std::size_t before = mapped_bytes();
  for (std::size_t i = 0; i < kMany; ++i) many.push_back(filled(i % 2 == 0 ? 32 : 200, 1));
  // Keys with gaps between them, which are filled again.
  for (std::size_t i = 0; i < many.size(); i += 3) many[i] = Secret();
  for (std::size_t i = 0; i < many.size(); i += 3) many[i] = filled(i % 2 == 0 ? 32 : 200, 2);
  for (std::size_t i = 0; i < many.size(); ++i)
    ASSERT_EQ(many[i], filled(i % 2 == 0 ? 32 : 200, i % 3 == 0 ? 2 : 1)) << i;
  EXPECT_GE(mapped_bytes(), before + kMany / 2 * (32 + 200));
  many.clear();
  EXPECT_LE(mapped_bytes(), before + kRoom);
}

TEST(Secret, AnAssignedOverSecretIsWipedWithItsNewOwner) {
  const std::byte* slot = nullptr;
  Secret kept = filled(16, 1);
  {
    Secret other = filled(16, 2);
    std::swap(kept, other);
    slot = other.bytes().data();
  }
  EXPECT_TRUE(all_zero(Bytes(slot, 16)));
  EXPECT_EQ(kept, filled(16, 2));
}

// The VmFlags line of the mapping that contains p, as the kernel reports it (proc_pid_smaps(5)).
std::string vm_flags(const std::byte* p) {
  const auto address = std::bit_cast<std::uintptr_t>(p);
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    std::uintptr_t from = 0, to = 0;
    char dash = 0;
    if (words >> std::hex >> from >> dash >> to && dash == '-') inside = from <= address && address < to;
    if (inside && line.starts_with("VmFlags:")) return line + ' ';
  }
  return "";
}

bool left_out_of_cores(const std::byte* p) { return vm_flags(p).find(" dd ") != std::string::npos; }

// Whether this machine shows which mappings core dumps leave out; qemu-user, which writes this file itself, does not.
// Checked with a mapping that is certainly left out.
bool shows_what_cores_leave_out() {
  static const bool shows = [] {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const mapped = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(::madvise(mapped, page, MADV_DONTDUMP), 0);
    const bool shown = left_out_of_cores(static_cast<const std::byte*>(mapped));
    ::munmap(mapped, page);
    if (!shown) std::fputs("note: this machine does not show what cores leave out, so that is not judged\n", stderr);
    return shown;
  }();
  return shows;
}

TEST(Secret, IsExcludedFromCoreDumps) {
  const Secret small = filled(16, 1), large = filled(Secret::kMaxSize, 1);
  EXPECT_EQ(left_out_of_cores(small.bytes().data()), shows_what_cores_leave_out());
  EXPECT_EQ(left_out_of_cores(large.bytes().data()), shows_what_cores_leave_out());
}

TEST(Secret, EqualityComparesEveryByteAndTheSize) {
  const Secret a = filled(20, 3);
  for (std::size_t i = 0; i < a.size(); ++i) {
    Secret b = a.clone();
    EXPECT_TRUE(a == b);
    b.bytes()[i] ^= std::byte{0x80};
    EXPECT_FALSE(a == b) << i;
  }
  EXPECT_FALSE(a == filled(19, 3));
  EXPECT_TRUE(Secret() == Secret(std::size_t{0}));
}

TEST(SecretBuffer, GrowsAndKeepsItsContent) {
  SecretBuffer buffer;
  EXPECT_EQ(buffer.size(), 0u);
  buffer.grow(100);
  const std::size_t first = buffer.size();
  EXPECT_GE(first, 100u);
  for (std::byte& b : buffer.bytes()) b = std::byte{0x77};
  EXPECT_EQ(left_out_of_cores(buffer.bytes().data()), shows_what_cores_leave_out());
  buffer.grow(first * 3);
  ASSERT_GE(buffer.size(), first * 3);
  EXPECT_EQ(std::vector(buffer.bytes().begin(), buffer.bytes().begin() + static_cast<std::ptrdiff_t>(first)),
            std::vector(first, std::byte{0x77}));
  EXPECT_TRUE(all_zero(Bytes(buffer.bytes()).subspan(first)));
}

TEST(SecretBuffer, Moves) {
  SecretBuffer a;
  a.grow(10);
  a.bytes()[0] = std::byte{1};
  const std::byte* place = a.bytes().data();
  SecretBuffer b = std::move(a);
  EXPECT_EQ(b.bytes().data(), place);
  SecretBuffer c;
  c = std::move(b);
  EXPECT_EQ(c.bytes()[0], std::byte{1});
}

TEST(Wipe, ClearsItsArgumentAndNothingElse) {
  std::vector<std::byte> memory(10, std::byte{0xff});
  wipe({});  // An empty one stays empty.
  wipe(MutableBytes(memory).subspan(2, 6));
  EXPECT_FALSE(all_zero(memory));
  EXPECT_TRUE(all_zero(Bytes(memory).subspan(2, 6)));
  EXPECT_EQ(memory[1], std::byte{0xff});
  EXPECT_EQ(memory[8], std::byte{0xff});
}

TEST(AllZero, ChecksEveryByte) {
  std::vector<std::byte> memory(9);
  EXPECT_TRUE(all_zero(memory));
  EXPECT_TRUE(all_zero({}));
  for (std::byte& b : memory) {
    b = std::byte{1};
    EXPECT_FALSE(all_zero(memory));
    b = std::byte{0};
  }
}

}  // namespace

}  // namespace ipseckey
