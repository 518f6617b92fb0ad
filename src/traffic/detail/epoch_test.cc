/// When memory that packet threads may still read is freed, and what waits for the engine's thread.
#include "traffic/detail/epoch.h"

#include <gmock/gmock.h>

#include "traffic/detail/rounds.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

void nothing() {}

struct Thing {
  std::shared_ptr<int> life = std::make_shared<int>(0);
};

TEST(Epochs, ObjectsThatABatchMaySeeOutliveIt) {
  Epochs epochs(2);
  auto thing = std::make_unique<Thing>();
  const std::weak_ptr<int> life = thing->life;
  {
    const Epochs::Guard before(epochs, 0);
    epochs.retire(std::move(thing));
    epochs.collect(nothing);
    EXPECT_FALSE(life.expired());
    {
      const Epochs::Guard after(epochs, 1);  // It began too late to find it.
      epochs.collect(nothing);
      EXPECT_FALSE(life.expired());
    }
    epochs.collect(nothing);
    EXPECT_FALSE(life.expired());
  }
  const Epochs::Guard after(epochs, 1);
  epochs.collect(nothing);
  EXPECT_TRUE(life.expired());
}

TEST(Epochs, EachIsFreedWhenItsOwnReadersAreDone) {
  Epochs epochs(2);
  auto first = std::make_unique<Thing>(), second = std::make_unique<Thing>();
  const std::weak_ptr<int> one = first->life, two = second->life;
  {
    const Epochs::Guard reader(epochs, 0);
    epochs.retire(std::move(first));
    {
      const Epochs::Guard other(epochs, 1);
      epochs.retire(std::move(second));
    }
    epochs.collect(nothing);
    EXPECT_FALSE(one.expired());
    EXPECT_FALSE(two.expired());
  }
  bool called = false;
  epochs.collect([&] { called = !one.expired() && !two.expired(); });
  EXPECT_TRUE(called);
  EXPECT_TRUE(one.expired());
  EXPECT_TRUE(two.expired());
}

// The SA is removed in the middle of a batch, by means of the source of IVs, and its numbers live until the batch ends.
Plane* plane_at_work = nullptr;
std::weak_ptr<SaNumbers> numbers;
bool alive_in_the_batch = false;
void remove_and_look(MutableBytes out) {
  std::ranges::fill(out, std::byte{7});
  if (!plane_at_work || numbers.expired()) return;
  plane_at_work->remove({SaType::esp, 0x100, *parse_address("192.0.2.2")});
  plane_at_work->attention();
  alive_in_the_batch = !numbers.expired();
}

TEST(Epochs, AnSaRemovedDuringABatchLivesUntilItsEnd) {
  PlaneOptions options;
  options.random = remove_and_look;
  options.numbers = [](const engine::SaId&) {
    auto live = std::make_shared<SaNumbers>();
    numbers = live;
    return live;
  };
  Host host(options);
  ASSERT_EQ(host.add(add(0x100, {.encrypt = 12, .auth = 5})), kDone);
  plane_at_work = &host.plane;
  const Octets plain = datagram();
  EXPECT_EQ(name(protect(host, plain).cause), "none");
  plane_at_work = nullptr;
  EXPECT_TRUE(alive_in_the_batch);
  EXPECT_FALSE(numbers.expired());  // collect() has not been called since.
  EXPECT_EQ(name(protect(host, plain).cause), "no_sa");
  host.plane.attention();
  EXPECT_TRUE(numbers.expired());
}

TEST(Rounds, ReturnSomeAtATimeOldestFirst) {
  Rounds rounds;
  EXPECT_EQ(rounds.next(), std::nullopt);
  const auto id = [](std::uint32_t spi) { return engine::SaId{SaType::esp, spi, *parse_address("192.0.2.2")}; };
  for (std::uint32_t i = 0; i < 2; ++i) rounds.add(id(i));
  // A round ends even if something is added all the time.
  std::uint32_t given = 0;
  for (; given < 2 * Rounds::kRound; ++given) {
    const auto got = rounds.next();
    if (!got) break;
    EXPECT_EQ(*got, id(given));
    rounds.add(id(given + 2));
  }
  EXPECT_EQ(given, Rounds::kRound);
  EXPECT_FALSE(rounds.empty());
  EXPECT_EQ(rounds.next(), id(given));
  EXPECT_EQ(rounds.next(), id(given + 1));
  EXPECT_EQ(rounds.next(), std::nullopt);
  EXPECT_TRUE(rounds.empty());
}

// A million takes a hundredth of a second; removing each from the front of an array would take hours.
TEST(Rounds, CostTheSameForEachOfAMillionAsForOne) {
  Rounds rounds;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) rounds.add({SaType::esp, i, {}});
  std::uint32_t given = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!rounds.empty() && std::chrono::steady_clock::now() < deadline)
    while (rounds.next()) ++given;
  EXPECT_EQ(given, 1'000'000u);
}

// The same for entries that were retired during one batch.
TEST(Epochs, CostTheSameForEachOfManyAsForOne) {
  Epochs epochs(1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::uint32_t retired = 0;
  {
    const Epochs::Guard reader(epochs, 0);
    for (; retired < 200'000 && std::chrono::steady_clock::now() < deadline; ++retired) {
      epochs.retire(std::make_unique<int>(0));
      epochs.collect(nothing);
    }
  }
  EXPECT_EQ(retired, 200'000u);
  epochs.collect(nothing);
}

// Packets that no SA covers cause requests, and strangers may send any number of them.
TEST(Rounds, RequestsAreAnsweredSomeAtATime) {
  Plane plane{{.workers = 8, .mtu = 1500, .random = nullptr}};
  std::vector<Worker> workers;
  for (unsigned i = 0; i < 8; ++i) workers.push_back(plane.worker(i));
  const auto ask = [&](unsigned worker) {
    Held held(datagram());
    workers[worker].protect({&held.item, 1}, at(0));
  };
  for (unsigned i = 0; i < 8 * 16; ++i) ask(i / 16);
  unsigned answered = 0;
  for (; plane.wanted() && answered < 1000; ++answered) ask(0);
  EXPECT_EQ(answered, 64u);
  EXPECT_TRUE(plane.wanted_left());
  for (answered = 0; plane.wanted(); ++answered) continue;
  EXPECT_EQ(answered, 64u);
  for (answered = 0; plane.wanted(); ++answered) continue;
  EXPECT_EQ(answered, 64u);
  EXPECT_EQ(plane.wanted(), std::nullopt);
  EXPECT_FALSE(plane.wanted_left());
}

}  // namespace
}  // namespace ipseckey::traffic
