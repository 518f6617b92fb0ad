#include "engine/engine.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace engine {
namespace {

using namespace engine::testing;

TEST(Engine, StartsEmpty) {
  Engine engine;
  EXPECT_EQ(engine.size(), 0u);
  EXPECT_EQ(engine.deadline(), std::nullopt);
  EXPECT_TRUE(dump(engine).empty());
}

TEST(Engine, AddIsEchoedWithoutKeysAndGetGivesEverything) {
  Engine engine;
  Message wanted = add_esp(0x2345);
  wanted.sa->replay = 32;
  Message echo = wanted.clone();
  echo.auth_key.reset(), echo.encrypt_key.reset();

  const auto added = ask(engine, wanted.clone());
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(added[0].to, Audience::everyone);
  EXPECT_EQ(added[0].message, echo);
  EXPECT_EQ(engine.size(), 1u);

  Message described = wanted.clone();
  described.type = Type::get;
  described.current = pfkey::Lifetime{.addtime = kEpoch};
  const auto got = ask(engine, request(Type::get, SaType::esp, 0x2345));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].to, Audience::sender);
  EXPECT_EQ(got[0].message, described);

  described.type = Type::dump;
  const auto dumped = dump(engine);
  ASSERT_EQ(dumped.size(), 1u);
  EXPECT_EQ(dumped[0], described);
}

TEST(Engine, DeleteDescribesTheDeadSaWithoutKeys) {
  Engine engine;
  ask(engine, add_ah(0x300));
  Message described = add_ah(0x300);
  described.type = Type::del;
  described.auth_key.reset();
  described.current = pfkey::Lifetime{.addtime = kEpoch};
  described.sa->state = pfkey::State::dead;
  const auto sent = ask(engine, request(Type::del, SaType::ah, 0x300));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, Audience::everyone);
  EXPECT_EQ(sent[0].message, described);
  EXPECT_EQ(engine.size(), 0u);
}

TEST(Engine, FlushTakesOneTypeOrAll) {
  Engine engine;
  ask(engine, add_ah(0x300)), ask(engine, add_esp(0x300)), ask(engine, add_esp(0x301));
  EXPECT_EQ(engine.size(), 3u);
  const auto sent = ask(engine, request(Type::flush, SaType::esp));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, Audience::everyone);
  EXPECT_EQ(sent[0].message, request(Type::flush, SaType::esp));
  EXPECT_EQ(engine.size(), 1u);
  ask(engine, request(Type::flush, SaType::unspec));
  EXPECT_EQ(engine.size(), 0u);
}

TEST(Engine, DumpFollowsTheOrderOfInsertion) {
  Engine engine;
  for (const std::uint32_t spi : {9u, 3u, 7u, 1u, 8u}) ask(engine, add_esp(spi));
  ask(engine, request(Type::del, SaType::esp, 7));
  ask(engine, add_esp(2));
  std::vector<std::uint32_t> spis;
  for (const Message& m : dump(engine)) spis.push_back(m.sa->spi);
  EXPECT_EQ(spis, (std::vector<std::uint32_t>{9, 3, 1, 8, 2}));
}

}  // namespace
}  // namespace engine
