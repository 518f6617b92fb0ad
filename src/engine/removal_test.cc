// Requests that remove many SAs, in portions.
#include <gmock/gmock.h>

#include <vector>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Options deferring() {
  Options o;
  o.defers_removals = true;
  return o;
}

struct Removals : ::testing::Test {
  Engine engine{deferring()};

  void add(std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t spi = first; spi < first + count; ++spi) EXPECT_EQ(outcome(engine, add_esp(spi)), kDone);
  }
  // The types and seqs of what is sent.
  std::vector<std::pair<Type, std::uint32_t>> remove_some(std::size_t most) {
    std::vector<std::pair<Type, std::uint32_t>> sent;
    engine.remove_some(most, [&](Audience to, Message&& m) {
      EXPECT_EQ(to, audience_of(m.type, m.satype));
      EXPECT_EQ(m.error, 0);
      sent.emplace_back(m.type, m.seq);
    });
    return sent;
  }
  std::vector<std::uint32_t> spis() {
    std::vector<std::uint32_t> all;
    for (const Message& m : dump(engine)) all.push_back(m.sa->spi);
    return all;
  }
};

Message flush(std::uint32_t seq) {
  Message m = request(Type::flush, SaType::esp);
  m.seq = seq;
  return m;
}

TEST_F(Removals, AFlushRemovesTheNewestFirstAndAnswersAtItsEnd) {
  add(1, 5);
  EXPECT_THAT(ask(engine, flush(70)), IsEmpty());
  EXPECT_EQ(engine.removals(), 1u);
  EXPECT_THAT(remove_some(2), IsEmpty());
  EXPECT_THAT(spis(), ElementsAre(1, 2, 3));
  // Other requests are served: what is added stays, and what the walk would come to next may be deleted.
  add(9, 1);
  EXPECT_EQ(outcome(engine, request(Type::del, SaType::esp, 3)), kDone);
  EXPECT_THAT(remove_some(2), IsEmpty());
  EXPECT_THAT(spis(), ElementsAre(9));
  EXPECT_THAT(remove_some(1), ElementsAre(std::pair(Type::flush, 70u)));
  EXPECT_EQ(engine.removals(), 0u);
  EXPECT_THAT(remove_some(10), IsEmpty());
  EXPECT_THAT(spis(), ElementsAre(9));
}

TEST_F(Removals, OneAfterTheOther) {
  add(1, 3);
  ask(engine, flush(70));
  Message by_source = request(Type::del, SaType::esp);
  by_source.src = endpoint("192.0.2.1"), by_source.seq = 71;
  ask(engine, std::move(by_source));
  EXPECT_EQ(engine.removals(), 2u);
  EXPECT_THAT(remove_some(100), ElementsAre(std::pair(Type::flush, 70u)));
  add(5, 1);  // After the second one began.
  EXPECT_THAT(remove_some(100), ElementsAre(std::pair(Type::del, 71u)));
  EXPECT_THAT(spis(), ElementsAre(5));
}

TEST_F(Removals, APartnerThatComesNextIsRemovedOnce) {
  add(1, 1);
  Message second = reversed(add_esp(2));
  Message first = add_esp(11);
  first.sa->flags = pfkey::kFlagOutbound, second.sa->flags = pfkey::kFlagInbound;
  second.pair = pfkey::Pair{11};
  EXPECT_EQ(outcome(engine, std::move(first)), kDone);
  EXPECT_EQ(outcome(engine, std::move(second)), kDone);
  Message m = request(Type::x_delpair, SaType::esp);
  m.src = endpoint("192.0.2.2"), m.seq = 72;
  ask(engine, std::move(m));
  EXPECT_THAT(remove_some(1), IsEmpty());
  EXPECT_THAT(spis(), ElementsAre(1));
  EXPECT_THAT(remove_some(5), ElementsAre(std::pair(Type::x_delpair, 72u)));
  EXPECT_THAT(spis(), ElementsAre(1));
}

TEST_F(Removals, ARefusedOneDoesNotBegin) {
  Message m = flush(1);
  m.src = endpoint("192.0.2.1");
  EXPECT_EQ(outcome(engine, std::move(m)), (Outcome{EINVAL, pfkey::Diagnostic::no_ext}));
  EXPECT_EQ(engine.removals(), 0u);
}

TEST_F(Removals, EmptyTablesGiveTheirMemoryBackInPortions) {
  add(1, 20'000);
  EXPECT_FALSE(engine.has_spare());
  engine.release_spare();
  EXPECT_EQ(engine.size(), 20'000u);
  const auto walk = engine.dump(request(Type::dump, SaType::esp), at(0), [](Audience, Message&&) {});
  ASSERT_TRUE(engine.next(*walk));
  ask(engine, flush(1));
  while (engine.removals() > 0) remove_some(1000);
  std::size_t portions = 0;
  for (; engine.has_spare(); ++portions) engine.release_spare();
  EXPECT_GT(portions, 2u);
  EXPECT_FALSE(engine.next(*walk));
  add(1, 5000);
  EXPECT_EQ(spis().size(), 5000u);
}

TEST_F(Removals, OfManyThatExpireTheRestRemainsDue) {
  for (std::uint32_t spi = 1; spi <= 5; ++spi) {
    Message m = add_esp(spi);
    m.hard = pfkey::Lifetime{.addtime = 10}, m.idle = pfkey::Lifetime{.addtime = 100};
    EXPECT_EQ(outcome(engine, std::move(m)), kDone);
  }
  std::vector<std::uint32_t> expired;
  const auto note = [&](Audience, Message&& m) { expired.push_back(m.sa->spi); };
  engine.expire(at(11), note, 2);
  EXPECT_THAT(expired, ElementsAre(1, 2));
  EXPECT_EQ(engine.deadline(), at(10).steady);
  engine.expire(at(11), note, 2);
  engine.expire(at(11), note, 2);
  EXPECT_THAT(expired, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(engine.deadline(), std::nullopt);
}

}  // namespace
}  // namespace ipseckey::engine
