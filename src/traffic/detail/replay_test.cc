/// The window against a set of numbers that remembers everything.
#include "traffic/detail/replay.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

namespace ipseckey::traffic {
namespace {

using Verdict = ReplayWindow::Verdict;

// RFC 4303 section 3.4.3, in the plainest way.
class Naive {
 public:
  Naive(std::uint64_t size, std::uint64_t highest) : size_(size), highest_(highest), start_(highest) {}
  Verdict mark(std::uint64_t n) {
    if (n == 0 || n + size_ <= highest_) return Verdict::late;
    if (n <= start_ || seen_.contains(n)) return Verdict::replayed;
    seen_.insert(n);
    highest_ = std::max(highest_, n);
    return Verdict::fresh;
  }

 private:
  std::uint64_t size_, highest_, start_;
  std::set<std::uint64_t> seen_;
};

// covers RFC4303-3.4.3-5 RFC4302-3.4.3-2 RFC4302-3.4.3-3
TEST(Replay, AgreesWithAListOfAllNumbersForEveryWindow) {
  for (const std::uint32_t size : {1u, 2u, 31u, 32u, 63u, 64u, 65u, 127u, 128u, 255u, 256u, 1000u, 4095u, 4096u})
    for (const std::uint64_t start : {0ull, 1ull, 63ull, 64ull, 100ull, 5000ull, 0xfffffff0ull}) {
      ReplayWindow window(size, start);
      Naive naive(size, start);
      std::mt19937_64 random(size * 31 + start);
      std::uint64_t top = start;
      for (int i = 0; i < 3000; ++i) {
        const std::uint64_t reach = size * 2 + 70;
        const std::uint64_t back = random() % reach, ahead = i % 50 == 0 ? random() % (reach * 3) : random() % 3;
        const std::uint64_t n = i % 2 ? top + ahead : top > back ? top - back : 0;
        const Verdict asked = window.ask(n), expected = naive.mark(n);
        ASSERT_EQ(asked, expected) << "size " << size << " number " << n << " top " << top;
        ASSERT_EQ(window.mark(n), expected);
        top = std::max(top, n);
        ASSERT_EQ(window.highest(), top);
      }
    }
}

// covers RFC4302-3.4.3-1 RFC4303-3.4.3-1
TEST(Replay, WithoutAWindowEverythingIsAcceptedAndTheHighestIsRecorded) {
  ReplayWindow window(0, 7);
  for (const std::uint64_t n : {3u, 3u, 9u, 8u, 0u}) EXPECT_EQ(window.mark(n), Verdict::fresh);
  EXPECT_EQ(window.highest(), 9u);
}

TEST(Replay, ATooLongWindowIsReducedTo4096) { EXPECT_EQ(ReplayWindow(100000, 0).size(), 4096u); }

TEST(Replay, AdvancingCountsEverythingUpToThereAsSeen) {
  ReplayWindow window(64, 10);
  EXPECT_EQ(window.mark(12), Verdict::fresh);
  window.advance(20);
  window.advance(5);
  EXPECT_EQ(window.ask(11), Verdict::replayed);
  EXPECT_EQ(window.ask(20), Verdict::replayed);
  EXPECT_EQ(window.ask(21), Verdict::fresh);
}

// RFC 4303 appendix A2: the full number that the receiver infers from 32 bits, by the position of its window.
TEST(Replay, ExtendedNumbersAreInferredAroundTheWindow) {
  constexpr std::uint64_t kStep = 1ull << 32;
  struct Row {
    std::uint64_t highest;
    std::uint32_t low;
    std::uint64_t expected;
  };
  for (const Row& r : {
           Row{0, 1, 1},                                     // The beginning.
           Row{100, 101, 101},                               // Within the first half.
           Row{100, 37, 37},                                 // The left edge of the window.
           Row{100, 36, kStep + 36},                         // Below it: it can only be from the next round.
           Row{kStep - 1, 0, kStep},                         // The wrap.
           Row{kStep - 1, 0xffffffc0, kStep - 64},           // In the window, before the wrap.
           Row{kStep + 10, 0xfffffffe, kStep - 2},           // The window spans the wrap.
           Row{kStep + 10, 11, kStep + 11},                  //
           Row{kStep + 10, 0xffffffca, kStep + 0xffffffca},  // Below the window: far ahead instead.
           Row{kStep + 10, 0xffffffcb, kStep - 53},          // Its left edge.
           Row{10, 0xfffffffe, 0xfffffffe},                  // Before the first number there is none: far ahead.
       })
    EXPECT_EQ(ReplayWindow(64, r.highest).extend(r.low), r.expected) << r.highest << " " << r.low;
}

// For an SA from before a window was requested: numbers are inferred as with a window of 64.
TEST(Replay, WithoutAWindowExtendedNumbersAreInferredAsWithOneOf64) {
  constexpr std::uint64_t kStep = 1ull << 32;
  for (const std::uint64_t highest : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{100}, kStep - 1, kStep + 10,
                                      kStep + 63, 3 * kStep + 0x80000000})
    for (const std::int64_t from : {-65, -64, -63, -1, 0, 1, 65, 0x7fffffff})
      for (const std::int64_t step : {-1, 0, 1}) {
        const auto low = static_cast<std::uint32_t>(static_cast<std::int64_t>(highest) + from + step);
        EXPECT_EQ(ReplayWindow(0, highest).extend(low), ReplayWindow(64, highest).extend(low)) << highest << " " << low;
      }
  EXPECT_EQ(ReplayWindow(0, kStep + 10).extend(0xffffffff), kStep - 1);
  EXPECT_EQ(ReplayWindow(0, kStep - 1).extend(0), kStep);
}

}  // namespace
}  // namespace ipseckey::traffic
