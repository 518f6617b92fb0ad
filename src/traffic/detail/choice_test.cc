/// How an SA is found for a packet: what it costs, and that no packets are lost while SAs change.
#include "traffic/detail/choice.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <deque>
#include <thread>

#include "engine/sadb.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;

// SAs from 10.1.0.0/16 to 10.2.0.0/16 with one protocol and two ports; 0: any.
struct Table {
  Epochs epochs{1};
  Choice choice;
  std::deque<Flow> flows;

  Flow& add(std::uint8_t protocol, std::uint16_t src_port, std::uint16_t dst_port, bool dying = false) {
    engine::Sa sa;
    sa.src = *parse_address("192.0.2.1"), sa.dst = *parse_address("192.0.2.2");
    sa.satype = pfkey::SaType::esp;
    sa.state = dying ? pfkey::State::dying : pfkey::State::mature;
    sa.flags = pfkey::kFlagTunnel;
    sa.serial = sa.spi = static_cast<std::uint32_t>(flows.size() + 1);
    sa.rare = std::make_unique<engine::Rare>();
    sa.rare->at<&pfkey::Message::inner_src>() = endpoint("10.1.0.0", 16, src_port);
    sa.rare->at<&pfkey::Message::inner_dst>() = endpoint("10.2.0.0", 16, dst_port);
    sa.rare->at<&pfkey::Message::inner_src>()->proto = sa.rare->at<&pfkey::Message::inner_dst>()->proto = protocol;
    flows.emplace_back(sa, 1u, 0);
    choice.insert(flows.back(), epochs);
    return flows.back();
  }
};

Headers packet(std::uint16_t src_port, std::uint16_t dst_port, std::uint8_t protocol = kUdp) {
  return *parse(datagram(
      {.src = "10.1.0.1", .dst = "10.2.0.1", .src_port = src_port, .dst_port = dst_port, .protocol = protocol}));
}

// The ports and protocols of SAs with the same networks are found by hash: a packet that no SA covers costs one look-up
// for each combination of specified parts, and one that some SAs cover one more for each of these.
TEST(Choice, ManySasWithTheSameNetworksCostNoMoreThanFew) {
  for (const unsigned count : {16u, 1000u, 20'000u}) {
    SCOPED_TRACE(count);
    Table table;
    for (unsigned i = 0; i < count; ++i) {
      const auto port = static_cast<std::uint16_t>(1000 + i);
      table.add(kUdp, port, 0), table.add(kTcp, 0, port), table.add(kTcp, port, port), table.add(0, 7, port);
    }
    for (std::uint8_t protocol = 100; protocol < 200; ++protocol) table.add(protocol, 0, 0);
    EXPECT_EQ(table.choice.find(packet(5, 6)), nullptr);
    EXPECT_EQ(table.choice.effort(packet(5, 6)), 5u);
    EXPECT_EQ(table.choice.find(packet(1009, 6)), &table.flows[9 * 4]);
    EXPECT_EQ(table.choice.find(packet(1009, 1009, kTcp)), &table.flows[9 * 4 + 2]);
    EXPECT_LE(table.choice.effort(packet(1009, 1009, kTcp)), 7u);
    EXPECT_EQ(table.choice.find(packet(7, 1015)), &table.flows[15 * 4 + 3]);
  }
}

// Whatever the number of SAs with the same selectors that are dying, or ended and not deleted yet.
TEST(Choice, DyingSasAreNotSearchedForAMatureOne) {
  Table table;
  Flow& mature = table.add(kUdp, 0, 0);
  for (int i = 0; i < 1000; ++i) table.add(kUdp, 0, 0, true);
  EXPECT_EQ(table.choice.find(packet(1, 2)), &mature);
  EXPECT_EQ(table.choice.effort(packet(1, 2)), 2u);
  mature.usable = false;
  EXPECT_EQ(table.choice.find(packet(1, 2)), &table.flows.back());
  EXPECT_EQ(table.choice.effort(packet(1, 2)), 3u);
}

TEST(Choice, AMatureSaWithOtherSelectorsIsPreferredToADyingOne) {
  Table table;
  Flow& mature = table.add(kUdp, 0, 0);
  table.add(kUdp, 0, 2, true);
  EXPECT_EQ(table.choice.find(packet(1, 2)), &mature);
}

TEST(Choice, AnSaThatReachesASoftLimitGivesWayToAnOlderOne) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), engine::testing::kDone);
  Message m = add(0x200);
  m.soft = pfkey::Lifetime{.allocations = 0, .bytes = 1, .addtime = 0, .usetime = 0};
  ASSERT_EQ(host.add(std::move(m)), engine::testing::kDone);
  const auto spi = [&] { return get<std::uint32_t>(protect(host, datagram()).packet, 20); };
  EXPECT_EQ(spi(), 0x200u);
  host.engine.attend(at(0), [](engine::Audience, Message&&) {});
  EXPECT_EQ(spi(), 0x100u);
}

TEST(Choice, AnSaIsFoundByItsNewState) {
  Table table;
  Flow &old = table.add(kUdp, 0, 0), &middle = table.add(kUdp, 0, 0), &young = table.add(kUdp, 0, 0);
  const auto set_dying = [&](Flow& flow, bool dying) {
    flow.dying = dying;
    table.choice.sort(flow);
  };
  const auto found = [&] { return table.choice.find(packet(1, 2)); };
  EXPECT_EQ(found(), &young);
  set_dying(young, true);
  EXPECT_EQ(found(), &middle);
  set_dying(old, true), set_dying(middle, true);
  EXPECT_EQ(found(), &young);
  set_dying(old, false);
  EXPECT_EQ(found(), &old);
  set_dying(middle, false), set_dying(middle, false);
  EXPECT_EQ(found(), &middle);
  table.choice.erase(middle, table.epochs);
  EXPECT_EQ(found(), &old);
  table.choice.erase(old, table.epochs);
  EXPECT_EQ(found(), &young);
  table.choice.erase(young, table.epochs);
  EXPECT_EQ(found(), nullptr);
  EXPECT_EQ(table.choice.effort(packet(1, 2)), 0u);
}

// The only SA becomes dying and mature again and again: it is always found.
TEST(Choice, AnSaIsFoundWhileItsStateChanges) {
  Table table;
  Flow& only = table.add(kUdp, 0, 0);
  std::atomic<bool> done{false};
  std::atomic<unsigned> lost{0}, found{0};
  std::thread reader([&] {
    const Headers h = packet(1, 2);
    while (!done.load()) ++(table.choice.find(h) == &only ? found : lost);
  });
  for (int i = 0; i < 20'000 || found.load() < 1000; ++i) {
    only.dying = i % 2 == 0;
    table.choice.sort(only);
  }
  done = true;
  reader.join();
  EXPECT_EQ(lost.load(), 0u);
}

}  // namespace
}  // namespace ipseckey::traffic
