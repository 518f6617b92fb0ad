#include <gmock/gmock.h>

#include <cerrno>
#include <map>

#include "engine/keysock.h"
#include "engine/sadb.h"
#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Packets at the times that a test needs.
struct Packets : Carrier {
  std::map<std::uint32_t, Carried> of;  // By SPI.
  std::uint32_t due = 0;                // The SA that needs attention; 0: none.
  std::uint32_t ends_while_put = 0;     // An SA that reaches its old limit while it gets a new one.

  void put(const Sa& sa) override {
    Carried& c = of[sa.spi];
    if (sa.spi == ends_while_put) c.exhausted = true;
  }
  void remove(const SaId& id) override { of.erase(id.spi); }
  std::optional<Carried> carried(const SaId& id) const override {
    const auto found = of.find(id.spi);
    return found == of.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<SaId> attention() override {
    if (due == 0) return std::nullopt;
    return SaId{SaType::esp, std::exchange(due, 0), parse_address("192.0.2.2").value()};
  }
};

struct CarryTest : ::testing::Test {
  Packets packets;
  Engine engine = make(packets);

  static Engine make(Packets& packets) {
    Options options;
    options.carrier = &packets;
    return Engine(std::move(options));
  }
  static Message limited(std::uint32_t spi, std::uint64_t bytes) {
    Message m = add_esp(spi);
    m.hard = pfkey::Lifetime{.bytes = bytes};
    return m;
  }
  static Message raise(std::uint32_t spi, Type type = Type::update) {
    Message m = request(type, SaType::esp, spi);
    m.hard = pfkey::Lifetime{.bytes = 1'000'000};
    return m;
  }
  // A packet did not fit below the SA's limit.
  void exhaust(std::uint32_t spi) {
    Carried& c = packets.of.at(spi);
    c.packets = 1, c.bytes = 900, c.first = c.last = at(1), c.exhausted = true;
    packets.due = spi;
  }
  std::vector<Sent> attend() {
    std::vector<Sent> sent;
    engine.attend(at(3), [&](Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
    return sent;
  }
  // Each of these SAs has ended, as everybody is notified, and then the request is refused.
  static void expect_end(const std::vector<Sent>& sent, std::initializer_list<std::uint32_t> spis, Type asked) {
    ASSERT_THAT(sent, SizeIs(spis.size() + 1));
    std::size_t i = 0;
    for (const std::uint32_t spi : spis) {
      const Sent& one = sent[i++];
      EXPECT_EQ(one.to, Audience::everyone);
      EXPECT_EQ(one.message.type, Type::expire);
      ASSERT_TRUE(one.message.sa);
      EXPECT_EQ(one.message.sa->spi, spi);
      EXPECT_EQ(one.message.sa->state, pfkey::State::dead);
      EXPECT_TRUE(one.message.hard);
    }
    EXPECT_EQ(sent.back().message.type, asked);
    EXPECT_EQ(sent.back().message.error, ESRCH);
    EXPECT_EQ(sent.back().message.diagnostic, static_cast<std::uint16_t>(pfkey::Diagnostic::sa_notfound));
    ASSERT_TRUE(sent.back().message.remark);
    EXPECT_EQ(sent.back().message.remark->text, "the SA has just reached its hard limit and is deleted");
  }
};

TEST_F(CarryTest, AnUpdateAfterTheLimitIsRefusedAsTooLate) {
  ask(engine, limited(0x1001, 1000));
  exhaust(0x1001);
  expect_end(ask(engine, raise(0x1001), at(2)), {0x1001}, Type::update);
  EXPECT_EQ(engine.size(), 0u);
  EXPECT_THAT(packets.of, IsEmpty());
  EXPECT_THAT(attend(), IsEmpty());
}

TEST_F(CarryTest, ALimitReachedBeforeTheNewOneTakesEffectCounts) {
  ask(engine, limited(0x1001, 1000));
  packets.ends_while_put = 0x1001;
  expect_end(ask(engine, raise(0x1001), at(2)), {0x1001}, Type::update);
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(CarryTest, BothHalvesOfAPairEnd) {
  for (const Type type : {Type::update, Type::x_updatepair}) {
    for (const std::uint32_t used_up : {0x1001u, 0x1002u}) {
      ask(engine, limited(0x1001, 1000));
      Message back = reversed(limited(0x1002, 1000));
      back.pair = pfkey::Pair{0x1001};
      ask(engine, std::move(back));
      ASSERT_EQ(engine.size(), 2u);
      exhaust(used_up);
      const std::uint32_t other = 0x1001 + 0x1002 - used_up;
      expect_end(ask(engine, raise(0x1001, type), at(2)), {used_up, other}, type);
      EXPECT_EQ(engine.size(), 0u);
      packets.due = 0;
    }
  }
}

TEST_F(CarryTest, AnUpdateBeforeTheLimitAppliesToLaterPackets) {
  ask(engine, limited(0x1001, 1000));
  const auto sent = ask(engine, raise(0x1001), at(2));
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].message.error, 0);
  packets.due = 0x1001;
  EXPECT_THAT(attend(), IsEmpty());
  EXPECT_EQ(engine.size(), 1u);
}

}  // namespace
}  // namespace ipseckey::engine
