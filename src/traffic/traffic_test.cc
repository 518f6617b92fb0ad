/// Whole packets through two hosts: every algorithm, mode and family.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <new>

#include "traffic/testing.h"

namespace ipseckey {

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// Counts every allocation of this program, C++'s and those of the cryptographic library; the sanitizers have allocators
// of their own.
#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif
#if !SANITIZED
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);

void* malloc(std::size_t size) noexcept { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) noexcept { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* p, std::size_t size) noexcept { return ++allocations, __libc_realloc(p, size); }
}
#endif

namespace traffic {
namespace {

using namespace testing;

struct Combination {
  std::string name;
  std::uint8_t encrypt, auth;
  unsigned key_bits;
};

// Every cipher with each of its key sizes (if many: the shortest and the longest), every integrity algorithm, AH.
std::vector<Combination> combinations() {
  std::vector<Combination> all;
  constexpr std::uint8_t kSha256 = 5;
  for (const pfkey::Algorithm& a : pfkey::algorithms()) {
    if (a.kind == pfkey::AlgorithmKind::auth) {
      all.push_back({fmt::format("ah {}", a.name()), 0, a.number, 0});
      all.push_back({fmt::format("null {}", a.name()), pfkey::kEalgNull, a.number, 0});
      continue;
    }
    const unsigned step = a.max_bits - a.min_bits > 128 ? a.max_bits - a.min_bits : a.step_bits;
    for (unsigned bits = a.min_bits; bits <= a.max_bits; bits += step)
      all.push_back({fmt::format("{} {}", a.name(), bits), a.number, a.combined() ? std::uint8_t{0} : kSha256, bits});
  }
  return all;
}

struct Path {
  const char* name;
  Wish wish;
  Shape shape;
};
const std::array kPaths = {
    Path{"v4 transport", {}, {}},
    Path{"v6 transport", {.src = "2001:db8::1", .dst = "2001:db8::2"}, {.src = "2001:db8::1", .dst = "2001:db8::2"}},
    Path{"v4 in v4", {.tunnel = true}, {.src = "10.1.2.3", .dst = "10.2.3.4"}},
    Path{"v6 in v4",
         {.tunnel = true, .inner_src = "2001:db8:1::", .inner_dst = "2001:db8:2::", .prefix = 48},
         {.src = "2001:db8:1::7", .dst = "2001:db8:2::8"}},
    Path{"v4 in v6",
         {.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true},
         {.src = "10.1.2.3", .dst = "10.2.3.4"}},
    Path{"v6 in v6",
         {.src = "2001:db8::1",
          .dst = "2001:db8::2",
          .tunnel = true,
          .inner_src = "2001:db8:1::",
          .inner_dst = "2001:db8:2::",
          .prefix = 48},
         {.src = "2001:db8:1::7", .dst = "2001:db8:2::8"}},
};

TEST(Traffic, EveryAlgorithmModeFamilyAndLengthIsProtectedAndRestored) {
  for (const Combination& c : combinations())
    for (const Path& path : kPaths)
      for (const bool esn : {false, true}) {
        Wish wish = path.wish;
        wish.encrypt = c.encrypt, wish.auth = c.auth, wish.key_bits = c.key_bits, wish.esn = esn;
        SCOPED_TRACE(fmt::format("{}, {}, esn {}", c.name, path.name, esn));
        Host here, there;
        ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
        ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
        for (std::size_t size = 0; size < 40; ++size) {
          Shape shape = path.shape;
          shape.size = size;
          const Octets plain = datagram(shape);
          const Result out = protect(here, plain);
          ASSERT_EQ(name(out.cause), "none");
          if (c.encrypt != 0 && c.encrypt != pfkey::kEalgNull && c.encrypt != 23 && size > 8) {
            ASSERT_TRUE(std::ranges::search(out.packet, Bytes(plain).last(8)).empty()) << "in clear";
          }
          const Result in = unprotect(there, out.packet);
          ASSERT_EQ(name(in.cause), "none");
          ASSERT_EQ(hex(in.packet), hex(plain));
        }
      }
}

// HMAC's results for such keys are in the vectors of RFC 2202 and 4231 (crypto).
TEST(Traffic, HmacKeysMayHaveAnyLength) {
  for (const unsigned bytes : {10u, 22u, 64u, 65u, 256u})
    for (const std::uint8_t encrypt : {std::uint8_t{0}, std::uint8_t{12}}) {
      SCOPED_TRACE(fmt::format("{} bytes, cipher {}", bytes, encrypt));
      const Wish wish{.encrypt = encrypt, .auth = 3, .auth_key_bits = 8 * bytes};
      Host here, there;
      ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
      const Result out = protect(here, datagram());
      ASSERT_EQ(name(out.cause), "none");
      const Result in = unprotect(there, out.packet);
      ASSERT_EQ(name(in.cause), "none");
      EXPECT_EQ(hex(in.packet), hex(datagram()));
    }
}

// The first packet of an SA creates each worker's contexts; later ones, including dropped ones, allocate nothing.
TEST(Traffic, NothingIsAllocatedForAPacket) {
  for (const Combination& c : combinations())
    for (const Path& path : kPaths) {
      Wish wish = path.wish;
      wish.encrypt = c.encrypt, wish.auth = c.auth, wish.key_bits = c.key_bits;
      SCOPED_TRACE(fmt::format("{}, {}", c.name, path.name));
      Host here, there;
      ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
      ASSERT_EQ(name(unprotect(there, protect(here, datagram(path.shape)).packet).cause), "none");
      Shape strange = path.shape;
      strange.src = std::string_view(strange.src).contains(':') ? "fd99::1" : "10.99.0.1";
      for (const Shape& shape : {path.shape, path.shape, path.shape, strange}) {
        Held held(datagram(shape));
        const std::size_t before = allocations;
        here.worker.protect({&held.item, 1}, at(0));
        EXPECT_EQ(allocations, before);
        if (held.item.cause != Cause::none) continue;
        Held arrived(held.bytes()), again(held.bytes());
        const std::size_t then = allocations;
        there.worker.unprotect({&arrived.item, 1}, at(0));
        there.worker.unprotect({&again.item, 1}, at(0));
        EXPECT_EQ(allocations, then);
        EXPECT_EQ(name(arrived.item.cause), "none");
        EXPECT_EQ(name(again.item.cause), "replayed");
      }
    }
}

// Nor for a batch, whose packets go through the ciphers together.
TEST(Traffic, NothingIsAllocatedForABatch) {
  for (const Combination& c : combinations())
    for (const std::uint8_t encrypt : {c.encrypt, std::uint8_t{0}}) {
      if (encrypt == 0 && c.auth == 0) continue;
      const Wish wish{.encrypt = encrypt, .auth = c.auth, .key_bits = c.key_bits, .window = 255};
      SCOPED_TRACE(fmt::format("{}, {}", c.name, encrypt ? "ESP" : "AH"));
      Host here, there;
      ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
      ASSERT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
      for (const std::size_t count : {32u, 5u, 19u}) {
        const std::vector<Held> held(count, Held(datagram({.size = 400})));
        std::vector<Octets> memory;
        std::vector<Item> items(count);
        for (const Held& h : held) memory.push_back(h.memory);
        for (std::size_t i = 0; i < count; ++i)
          items[i].packet = {memory[i], held[i].item.packet.at, held[i].item.packet.size};
        const std::size_t before = allocations;
        here.worker.protect(items, at(0));
        there.worker.unprotect(items, at(0));
        EXPECT_EQ(allocations, before);
        for (const Item& item : items) {
          ASSERT_EQ(name(item.cause), "none");
          ASSERT_EQ(hex(item.packet.bytes()), hex(datagram({.size = 400})));
        }
      }
    }
}

// The same for an SA with further features, and for a bundle.
TEST(Traffic, NothingIsAllocatedForAPacketOfABundleOrAnyOtherFeature) {
  for (const Wish& esp : {Wish{.encrypt = 12, .auth = 5, .tunnel = true, .bundle = 1},
                          Wish{.tunnel = true, .tfc_pad = 500, .df = pfkey::kDfClear, .dscp = 10},
                          Wish{.tunnel = true, .df = pfkey::kDfSet, .dscp = pfkey::kDscpCopy},
                          Wish{.tunnel = true, .udp = true, .keepalive = 20}}) {
    Host here, there;
    for (Host* const host : {&here, &there}) {
      ASSERT_EQ(host->add(add(0x100, esp)), engine::testing::kDone);
      const Wish ah{.encrypt = 0, .auth = 5, .bundle = esp.bundle};
      ASSERT_EQ(host->add(add(0x200, ah)), engine::testing::kDone);
    }
    for (int i = 0; i < 3; ++i) {
      Held held(datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}), Packet::kHeadroom, 1000);
      const std::size_t before = allocations;
      here.worker.protect({&held.item, 1}, at(0));
      const std::size_t sent = allocations - before;
      Held arrived(held.bytes());
      const std::size_t then = allocations;
      there.worker.unprotect({&arrived.item, 1}, at(0));
      EXPECT_EQ(name(arrived.item.cause), "none");
      EXPECT_TRUE(i == 0 || sent + allocations == then);
    }
  }
}

// Each ICV length of each algorithm works with ESP and AH, with the longest padding, and only with a peer that uses the
// same.
TEST(Traffic, IcvsMayHaveEveryKnownLength) {
  std::size_t seen = 0;
  for (const pfkey::Algorithm& row : pfkey::algorithms())
    for (std::uint32_t bits = 8; bits <= 512; bits += 8) {
      if (!row.icv_fits(bits)) continue;
      for (const std::uint8_t encrypt : {std::uint8_t{0}, std::uint8_t{12}})
        for (const char* const end : {"192.0.2.", "2001:db8::"}) {
          SCOPED_TRACE(fmt::format("{} {} bits, cipher {}, {}", row.name(), bits, encrypt, end));
          const std::string src = end + std::string("1"), dst = end + std::string("2");
          Wish wish{.encrypt = encrypt, .auth = row.number, .src = src.c_str(), .dst = dst.c_str(), .icv = bits};
          Host here, there, other;
          ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
          ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
          wish.icv = bits == 96 ? row.max_bits : 96;
          ASSERT_EQ(other.add(add(0x100, wish)), engine::testing::kDone);
          for (std::size_t size = 0; size < 20; ++size) {
            const Octets plain = datagram({.src = src.c_str(), .dst = dst.c_str(), .size = size});
            const Result out = protect(here, plain);
            ASSERT_EQ(name(out.cause), "none");
            const std::size_t payload = 8 + size, unit = src[0] == '1' ? 4 : 8;
            const std::size_t more = encrypt == 0 ? (12 + bits / 8 + unit - 1) / unit * unit
                                                  : 8 + 16 + (payload + 2 + 15) / 16 * 16 + bits / 8 - payload;
            ASSERT_EQ(out.packet.size(), plain.size() + more);
            ASSERT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
            const auto wrong = unprotect(other, out.packet).cause;
            ASSERT_TRUE(wrong == Cause::corrupt || wrong == Cause::truncated || wrong == Cause::malformed)
                << name(wrong);
          }
          ++seen;
        }
    }
  EXPECT_EQ(seen, (4u * 2 + 3 * 3) * 4);
}

// RFC 4302 section 2.6, and the default of Linux; each end accepts the other's.
// covers RFC4302-2.6-1
TEST(Traffic, AhIsAMultipleOfFourBytesUnderIpv4UnlessRequestedOtherwise) {
  constexpr std::uint8_t kSha1 = 3, kSha256 = 5;
  struct Row {
    std::uint8_t auth;
    bool v6;
    std::uint32_t align;
    std::size_t header;
  };
  for (const Row& row : {Row{kSha256, false, 0, 28}, Row{kSha256, false, 4, 28}, Row{kSha256, false, 8, 32},
                         Row{kSha256, true, 0, 32}, Row{kSha256, true, 4, 32}, Row{kSha1, false, 8, 24}}) {
    Wish wish{.encrypt = 0, .auth = row.auth, .ah_align = row.align};
    if (row.v6) wish.src = "2001:db8::1", wish.dst = "2001:db8::2";
    Host here, there;
    ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
    wish.ah_align = 12 - std::max(row.align, 4u);
    ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
    const Octets plain = datagram({.src = wish.src, .dst = wish.dst});
    const Result out = protect(here, plain);
    EXPECT_EQ(out.packet.size() - plain.size(), row.header);
    EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
  }
  Host host;
  EXPECT_NE(host.add(add(0x100, {.encrypt = 0, .auth = kSha256, .ah_align = 16})), engine::testing::kDone);
}

}  // namespace
}  // namespace traffic

}  // namespace ipseckey
