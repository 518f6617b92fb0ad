/// Packets on several threads while the engine's thread adds, changes and deletes their SAs. Under ThreadSanitizer this
/// shows that nothing is shared without synchronisation.
#include <gmock/gmock.h>

#include <thread>

#include "policy/testing.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using pfkey::SaType;

constexpr unsigned kThreads = 3;
constexpr std::uint32_t kSas = 8;

// Each thread sends through the sender's SAs and receives at once; all share both.
struct Traffic {
  Plane out{{.workers = kThreads, .mtu = 1500, .random = nullptr}},
      in{{.workers = kThreads, .mtu = 1500, .random = nullptr}};
  engine::Engine sends{carried_by(out)}, receives{carried_by(in)};
  std::atomic<bool> stop{false};
  std::array<std::uint64_t, kThreads> through{}, dropped{};
  std::vector<std::thread> threads;

  static engine::Options carried_by(Plane& plane) {
    engine::Options options;
    options.carrier = &plane;
    return options;
  }
  void start() {
    for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([this, i] { run(i); });
  }
  void finish() {
    stop = true;
    for (std::thread& t : threads) t.join();
  }

  void run(unsigned number) {
    Worker sender = out.worker(number), receiver = in.worker(number);
    for (std::uint32_t i = number; !stop.load(); ++i) {
      std::vector<Held> batch;
      for (std::uint32_t k = 0; k < 4; ++k)
        batch.emplace_back(
            datagram({.src_port = static_cast<std::uint16_t>(i % 5), .dst_port = static_cast<std::uint16_t>(k)}));
      for (Held& held : batch) {
        sender.protect({&held.item, 1}, at(1));
        if (held.item.cause == Cause::none) receiver.unprotect({&held.item, 1}, at(1));
        ++(held.item.cause == Cause::none ? through : dropped)[number];
      }
      sender.attention();
    }
  }
};

TEST(Threads, PacketsFlowWhileSasAreAddedAndDeleted) {
  Traffic traffic;
  engine::Engine &sends = traffic.sends, &receives = traffic.receives;
  traffic.start();
  const auto nothing = [](engine::Audience, Message&&) {};
  std::uint32_t spi = 0x100;
  for (int round = 0; round < 400; ++round, ++spi) {
    // The receiver has each SA before the sender does and keeps it until afterwards: no packet needs to be lost.
    Message m = add(spi, {.encrypt = 20, .window = 4096});
    m.soft = pfkey::Lifetime{.allocations = 3, .bytes = 2000, .addtime = 0, .usetime = 0};
    receives.handle(m.clone(), at(0), nothing);
    sends.handle(std::move(m), at(0), nothing);
    sends.attend(at(1), nothing), receives.attend(at(1), nothing);
    while (traffic.out.wanted()) continue;
    engine::testing::dump(sends), engine::testing::dump(receives);
    if (round < static_cast<int>(kSas)) continue;
    sends.handle(engine::testing::request(pfkey::Type::del, SaType::esp, spi - kSas), at(1), nothing);
    if (round < 3 * static_cast<int>(kSas)) continue;
    receives.handle(engine::testing::request(pfkey::Type::del, SaType::esp, spi - 3 * kSas), at(1), nothing);
    std::this_thread::yield();
  }
  traffic.finish();
  std::uint64_t through = 0, dropped = 0;
  for (unsigned i = 0; i < kThreads; ++i) through += traffic.through[i], dropped += traffic.dropped[i];
  const Totals out = traffic.out.outbound(), in = traffic.in.inbound();
  EXPECT_GT(through, 0u);
  EXPECT_EQ(in.packets, through);
  EXPECT_EQ(in.bytes, through * 68);
  std::uint64_t causes = 0;
  for (const std::uint64_t n : in.drops) causes += n;
  EXPECT_EQ(out.packets, in.packets + causes);
  for (const std::uint64_t n : out.drops) causes += n;
  EXPECT_EQ(causes, dropped);
  // A packet can only be lost before the first SA exists, or by a thread that slept through the life of its SA.
  EXPECT_EQ(in.drops[static_cast<std::size_t>(Cause::corrupt)], 0u);
  EXPECT_EQ(in.drops[static_cast<std::size_t>(Cause::replayed)], 0u);
  EXPECT_EQ(out.drops[static_cast<std::size_t>(Cause::exhausted)], 0u);
}

// Workers never wait for new rules, and each packet meets one of the sets, at both ends.
TEST(Threads, PacketsFlowWhileRulesChange) {
  Traffic traffic;
  const auto nothing = [](engine::Audience, Message&&) {};
  Message sa = add(0x100, {.encrypt = 20, .window = 4096});
  traffic.receives.handle(sa.clone(), at(0), nothing);
  traffic.sends.handle(std::move(sa), at(0), nothing);
  policy::Protection gcm;
  gcm.cipher = policy::Choice{.number = 20, .min_bits = {}, .max_bits = {}};
  policy::Rule port = policy::testing::drop_rule();
  port.selector.remote_port = 3;
  policy::Rule port_in = policy::testing::drop_rule();
  port_in.selector.local_port = 3;
  const policy::Rule all = policy::testing::rule(policy::Action::ipsec, gcm, "");
  policy::Rule pass = policy::testing::pass_rule();
  pass.selector.protocol = 6;  // No packet is about it.
  traffic.start();
  for (int round = 0; round < 600; ++round) {
    policy::Rules out = {pass}, in = {pass};
    if (round % 3 == 0) out.push_back(port), in.push_back(port_in);
    out.push_back(all), in.push_back(all);
    const bool none = round % 3 == 2;
    traffic.out.rules(none ? nullptr : std::make_shared<const policy::Lookup>(out));
    traffic.in.rules(none ? nullptr : std::make_shared<const policy::Lookup>(in));
    if (round % 50 == 0)  // An SA comes and goes meanwhile.
      traffic.sends.handle(add(0x200 + static_cast<std::uint32_t>(round), {.dst = "192.0.2.9"}), at(1), nothing);
    std::this_thread::yield();
  }
  traffic.finish();
  std::uint64_t through = 0, dropped = 0;
  for (unsigned i = 0; i < kThreads; ++i) through += traffic.through[i], dropped += traffic.dropped[i];
  const Totals sent = traffic.out.outbound(), got = traffic.in.inbound();
  std::uint64_t stopped = 0, lost = 0;  // Before it was sent, and afterwards.
  for (std::size_t i = 0; i < kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    stopped += sent.drops[i], lost += got.drops[i];
    if (cause != Cause::by_rule) {
      EXPECT_EQ(sent.drops[i], 0u) << name(cause);
    }
    // A thread that sleeps between the two may find its packet behind the window.
    if (cause != Cause::by_rule && cause != Cause::late) {
      EXPECT_EQ(got.drops[i], 0u) << name(cause);
    }
  }
  EXPECT_GT(through, 0u);
  EXPECT_EQ(got.packets, through);
  EXPECT_EQ(stopped + lost, dropped);
  EXPECT_EQ(sent.packets, through + lost);
  EXPECT_EQ(sent.clear + got.clear, 0u);
}

// The reply to a DELETE has the last number: a program that adds the SA again continues from there, and nothing is
// accepted or sent twice.
TEST(Threads, TheReplyToADeleteHasTheLastNumber) {
  Traffic traffic;
  engine::Engine &sends = traffic.sends, &receives = traffic.receives;
  traffic.start();
  const auto nothing = [](engine::Audience, Message&&) {};
  std::uint64_t sent = 0, let_in = 0;
  // Each round has an SPI of its own: a thread may sleep between protect() and unprotect(), and its packet must not
  // match the next SA, whose sender has not reached that number yet.
  std::uint32_t spi = 0x100;
  for (int round = 0; round < 300; ++round, ++spi) {
    Message m = add(spi, {.encrypt = 20, .window = 4096});
    receives.handle(m.clone(), at(0), nothing);
    sends.handle(std::move(m), at(0), nothing);
    const std::uint64_t before = traffic.in.inbound().packets;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (traffic.in.inbound().packets == before && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    std::uint64_t last_sent = 0, last_let_in = 0;
    const auto number_into = [](std::uint64_t& to) {
      return [&to](engine::Audience, Message&& r) { to = r.replay_value ? r.replay_value->number() : 0; };
    };
    sends.handle(engine::testing::request(pfkey::Type::del, SaType::esp, spi), at(1), number_into(last_sent));
    receives.handle(engine::testing::request(pfkey::Type::del, SaType::esp, spi), at(1), number_into(last_let_in));
    EXPECT_GE(last_sent, last_let_in);
    sent += last_sent, let_in += last_let_in;
    while (traffic.out.wanted()) continue;
  }
  traffic.finish();
  // No number is late or lost between the two: each number that was sent is a packet that was counted there.
  EXPECT_EQ(traffic.out.outbound().packets, sent);
  EXPECT_GE(let_in, traffic.in.inbound().packets);
}

}  // namespace
}  // namespace ipseckey::traffic
