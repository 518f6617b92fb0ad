#include "ipsecd/keep/vault.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/keysock.h"
#include "engine/testing.h"

namespace ipseckey::ipsecd {
namespace {

using engine::Engine;
using engine::Kept;
using engine::testing::add_ah;
using engine::testing::add_esp;
using engine::testing::at;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Like the service manager: holds copies of the descriptors while the process ends.
Vault::Parts held(const Vault& vault) {
  Vault::Parts parts;
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = Descriptor(::fcntl(vault.parts()[i], F_DUPFD_CLOEXEC, 0));
  return parts;
}

engine::Options with(Vault& vault) {
  engine::Options options;
  options.keeper = &vault;
  return options;
}

struct VaultTest : ::testing::Test {
  std::vector<std::string> logged;
  Vault::Log log = [this](std::string_view line) { logged.emplace_back(line); };
  std::unique_ptr<Vault> vault = Vault::make(log).value();
  std::optional<Engine> engine = Engine(with(*vault));

  Message ask(Message m, std::int64_t t = 0) {
    Message reply;
    engine->handle(std::move(m), at(t), [&](engine::Audience, Message&& r) { reply = std::move(r); });
    return reply;
  }
  std::vector<Message> dump() {
    std::vector<Message> all;
    auto walk = engine->dump(request(Type::dump, SaType::unspec), at(0), [](engine::Audience, Message&&) {});
    while (auto m = engine->next(*walk)) all.push_back(std::move(*m));
    return all;
  }
  // The process was killed, whatever it was doing, and the next one takes over.
  std::size_t restart(std::int64_t t = 0) {
    Vault::Parts parts = held(*vault);
    engine.reset();
    vault.reset();
    vault = Vault::take_over(std::move(parts), log).value();
    engine.emplace(with(*vault));
    return vault->each([&](Kept&& kept) { EXPECT_TRUE(engine->restore(std::move(kept), at(t))); });
  }
};

Message rich(std::uint32_t spi) {
  Message m = add_esp(spi);
  m.hard = pfkey::Lifetime{.allocations = 7, .bytes = 1000, .addtime = 100, .usetime = 50};
  m.soft = pfkey::Lifetime{.bytes = 900, .addtime = 90};
  m.idle = pfkey::Lifetime{.addtime = 30};
  m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 3, "a.example"};
  m.dst_identity = pfkey::Identity{pfkey::IdentityType::user_fqdn, 0, std::string(300, 'u')};
  m.km_cookie = pfkey::KmCookie{.proto = 3, .cookie = 99};
  m.replay_value = pfkey::ReplayValue{.low = 4711};
  m.reqid = pfkey::Number{5};
  m.mark = pfkey::Mark{6, 7};
  m.sa->flags |= pfkey::kFlagTunnel;
  m.inner_src = m.src, m.inner_dst = m.dst;
  m.inner_src->prefix = m.inner_dst->prefix = 32;
  m.icv = pfkey::Number{96}, m.tfc_pad = pfkey::Number{1400};
  m.df = pfkey::Number{pfkey::kDfClear}, m.dscp = pfkey::Number{46};
  m.bundle = pfkey::Number{3};
  return m;
}
Message rich_ah(std::uint32_t spi) {
  Message m = add_ah(spi);
  m.ah_align = pfkey::Number{8}, m.bundle = pfkey::Number{3};
  return m;
}
// A bundle cannot pass a NAT.
Message behind_a_nat(std::uint32_t spi) {
  Message m = add_esp(spi);
  m.natt_remote = pfkey::Endpoint{.proto = pfkey::kProtoUdp, .address = m.dst->address, .port = 4500};
  m.keepalive = pfkey::Number{20};
  return m;
}

TEST_F(VaultTest, EverySaIsRestoredAsItWas) {
  EXPECT_EQ(ask(rich(0x1001)).error, 0);
  EXPECT_EQ(ask(rich_ah(0x1002)).error, 0);
  EXPECT_EQ(ask(add_esp(0x1003), 5).error, 0);
  EXPECT_EQ(ask(behind_a_nat(0x1004)).error, 0);
  Message range = request(Type::getspi, SaType::esp);
  range.src = add_esp(1).src, range.dst = add_esp(1).dst;
  range.spi_range = pfkey::SpiRange{0x2000, 0x2000};
  EXPECT_EQ(ask(std::move(range)).error, 0);
  const std::vector<Message> before = dump();
  ASSERT_EQ(before.size(), 5u);
  for (const Message& m : before) {
    EXPECT_EQ(m.tfc_pad && m.df && m.dscp && m.icv, m.sa->spi == 0x1001);
    EXPECT_EQ(m.bundle.has_value(), m.sa->spi == 0x1001 || m.sa->spi == 0x1002);
    EXPECT_EQ(m.ah_align.has_value(), m.sa->spi == 0x1002);
    EXPECT_EQ(m.keepalive.has_value(), m.sa->spi == 0x1004);
  }
  EXPECT_EQ(restart(), 0u);
  EXPECT_EQ(dump(), before);
  EXPECT_EQ(restart(), 0u);  // And once more.
  EXPECT_EQ(dump(), before);
  EXPECT_THAT(logged, IsEmpty());
}

TEST_F(VaultTest, ChangesAndDeletionsAreKept) {
  for (std::uint32_t spi = 0x1001; spi <= 0x1005; ++spi) ASSERT_EQ(ask(add_esp(spi)).error, 0);
  ASSERT_EQ(ask(request(Type::del, SaType::esp, 0x1002)).error, 0);
  Message update = request(Type::update, SaType::esp, 0x1003);
  update.src = add_esp(0x1003).src;
  update.sa->state = pfkey::State::mature;
  update.replay_value = pfkey::ReplayValue{.low = 1000};
  update.hard = pfkey::Lifetime{.addtime = 500};
  ASSERT_EQ(ask(std::move(update)).error, 0);
  const std::vector<Message> before = dump();
  ASSERT_EQ(before.size(), 4u);
  EXPECT_EQ(restart(), 0u);
  EXPECT_EQ(dump(), before);
  ASSERT_EQ(ask(request(Type::flush, SaType::unspec)).error, 0);
  EXPECT_EQ(restart(), 0u);
  EXPECT_THAT(dump(), IsEmpty());
}

TEST_F(VaultTest, PairsAndFormerPairsAreRestored) {
  Message out = add_esp(0x1001);
  out.sa->flags |= pfkey::kFlagOutbound;
  Message in = add_esp(0x1002);
  std::swap(in.src, in.dst);
  in.sa->flags |= pfkey::kFlagInbound;
  ASSERT_EQ(ask(std::move(out)).error, 0);
  ASSERT_EQ(ask(in.clone()).error, 0);
  Message join = request(Type::update, SaType::esp, 0x1001);
  join.src = in.dst, join.dst = in.src;
  join.sa->state = pfkey::State::mature;
  join.pair = pfkey::Pair{0x1002};
  ASSERT_EQ(ask(std::move(join)).error, 0);
  const std::vector<Message> before = dump();
  ASSERT_TRUE(before[0].pair && before[1].pair);
  restart();
  EXPECT_EQ(dump(), before);

  Message del = request(Type::del, SaType::esp, 0x1002);
  del.src = in.src, del.dst = in.dst;
  ASSERT_EQ(ask(std::move(del)).error, 0);
  restart();
  ASSERT_EQ(dump().size(), 1u);
  EXPECT_FALSE(dump()[0].pair);
}

TEST_F(VaultTest, TimeContinuedInTheMeantime) {
  Message m = add_esp(0x1001);
  m.hard = pfkey::Lifetime{.addtime = 100};
  ASSERT_EQ(ask(std::move(m), 0).error, 0);
  restart(99);
  std::vector<Type> told;
  const auto sink = [&](engine::Audience, Message&& notice) { told.push_back(notice.type); };
  engine->expire(at(99), sink);
  EXPECT_EQ(engine->size(), 1u);
  engine->expire(at(100), sink);
  EXPECT_FALSE(told.empty());
  EXPECT_EQ(engine->size(), 0u);
  restart(100);
  EXPECT_EQ(engine->size(), 0u);
}

// Packets advance the numbers in the shared memory itself, so that they are current whenever the process is killed.
// covers RFC4302-3.3.2-2 RFC4303-3.3.3-4
TEST_F(VaultTest, NumbersContinueAndNoneIsRepeated) {
  const engine::SaId id{SaType::esp, 0x1001, add_esp(0x1001).dst->address};
  ASSERT_EQ(ask(add_esp(0x1001)).error, 0);
  {
    const auto live = vault->numbers_of(id);
    EXPECT_EQ(live->begun, 0u);
    live->begun = 1, live->number = 70'000, live->iv = 0xabcdef, live->highest = 5;
    live->packets = 3, live->bytes = 300, live->flows = 2;
    live->first_steady = 1, live->first_wall = 1, live->last_steady = 2, live->last_wall = 2;
  }
  ASSERT_EQ(ask(add_esp(0x1002)).error, 0);
  Message update = request(Type::update, SaType::esp, 0x1001);  // Its record moves, its numbers do not.
  update.src = add_esp(0x1001).src;
  update.sa->state = pfkey::State::mature;
  update.km_cookie = pfkey::KmCookie{.proto = 3, .cookie = 1};
  ASSERT_EQ(ask(std::move(update)).error, 0);
  restart();
  const Message shown = ask(request(Type::get, SaType::esp, 0x1001));
  EXPECT_EQ(shown.replay_value, (pfkey::ReplayValue{.low = 70'000}));
  EXPECT_EQ(shown.current->bytes, 300u);
  EXPECT_EQ(shown.current->allocations, 2u);
  EXPECT_TRUE(shown.sa->flags & pfkey::kFlagUsed);
  const auto live = vault->numbers_of(id);
  EXPECT_EQ(live->begun, 1u);
  EXPECT_EQ(live->iv, 0xabcdefu);
  // Another SA never gets numbers that are still in use.
  const auto other = vault->numbers_of({SaType::esp, 0x1002, id.dst});
  EXPECT_NE(other.get(), live.get());
  EXPECT_EQ(other->begun, 0u);
  ASSERT_EQ(ask(request(Type::del, SaType::esp, 0x1001)).error, 0);
  ASSERT_EQ(ask(add_esp(0x1003)).error, 0);
  EXPECT_NE(vault->numbers_of({SaType::esp, 0x1003, id.dst}).get(), live.get());
}

// ---- the contents of the memory

Bytes contents(const Vault& vault, std::size_t part) {
  const off_t size = ::lseek(vault.parts()[part], 0, SEEK_END);
  void* const p = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, vault.parts()[part], 0);
  return {static_cast<const std::byte*>(p), static_cast<std::size_t>(size)};
}

TEST_F(VaultTest, NoKeyIsUnencryptedAndNothingRemainsOfADeletedSa) {
  Message m = add_esp(0x1001);
  const Secret key = m.encrypt_key->material.clone();
  ASSERT_EQ(ask(std::move(m)).error, 0);
  vault->numbers_of({SaType::esp, 0x1001, add_esp(0x1001).dst->address});
  for (std::size_t part = 0; part < 2; ++part) {
    const Bytes all = contents(*vault, part);
    const Bytes piece = key.bytes().first(8);
    EXPECT_TRUE(std::ranges::search(all, piece).empty());
  }
  ASSERT_EQ(ask(request(Type::del, SaType::esp, 0x1001)).error, 0);
  const Bytes all = contents(*vault, 0);
  // The front and one head remain.
  EXPECT_TRUE(all_zero(all.subspan(64 + 4)));
}

TEST_F(VaultTest, NobodyCanTruncateIt) {
  ASSERT_EQ(ask(add_esp(0x1001)).error, 0);
  vault->numbers_of({SaType::esp, 0x1001, add_esp(0x1001).dst->address});
  for (std::size_t part = 0; part < 2; ++part) {
    EXPECT_NE(::ftruncate(vault->parts()[part], 0), 0);
    EXPECT_EQ(errno, EPERM);
  }
}

TEST_F(VaultTest, OnlyADamagedSaIsLostAndAForeignPartIsRefused) {
  for (std::uint32_t spi = 0x1001; spi <= 0x1003; ++spi) ASSERT_EQ(ask(add_esp(spi)).error, 0);
  std::byte b{};
  ASSERT_EQ(::pread(vault->parts()[0], &b, 1, 64 + 100), 1);
  b ^= std::byte{1};
  ASSERT_EQ(::pwrite(vault->parts()[0], &b, 1, 64 + 100), 1);
  EXPECT_EQ(restart(), 1u);
  EXPECT_EQ(engine->size(), 2u);

  const auto other = Vault::make(log).value();
  Vault::Parts mixed = held(*vault);
  mixed[2] = std::move(held(*other)[2]);
  const auto opened = Vault::take_over(std::move(mixed), log).value();
  EXPECT_EQ(opened->each([](Kept&&) { FAIL(); }), 2u);  // Another key opens no record.

  Vault::Parts missing = held(*vault);
  missing[1] = Descriptor();
  EXPECT_EQ(Vault::take_over(std::move(missing), log).error().text,
            "parts of what the previous ipsecd kept are missing");
  Vault::Parts strange = held(*vault);
  strange[0] = Descriptor(::memfd_create("x", MFD_CLOEXEC));
  EXPECT_EQ(Vault::take_over(std::move(strange), log).error().text, "the memory kept for a restart is not sealed");
}

// Killed between two steps of a rewrite: both records exist, and the newer one counts; killed before: the older one.
TEST_F(VaultTest, EveryStateBetweenTwoStepsRestoresOneOfTheTwo) {
  ASSERT_EQ(ask(add_esp(0x1001)).error, 0);
  const Bytes memory = contents(*vault, 0);
  const std::vector<std::byte> before(memory.begin(), memory.end());
  Message update = request(Type::update, SaType::esp, 0x1001);
  update.src = add_esp(0x1001).src;
  update.sa->state = pfkey::State::mature;
  update.replay_value = pfkey::ReplayValue{.low = 1000};
  ASSERT_EQ(ask(std::move(update)).error, 0);
  // The old record, unchanged, beside the new one.
  const std::size_t old = 64;
  std::uint32_t blocks = 0;
  std::memcpy(&blocks, &before[old], sizeof blocks);
  const auto length = static_cast<ssize_t>(blocks * 64);
  ASSERT_EQ(::pwrite(vault->parts()[0], &before[old], static_cast<std::size_t>(length), old), length);
  EXPECT_EQ(restart(), 0u);
  ASSERT_EQ(engine->size(), 1u);
  EXPECT_EQ(ask(request(Type::get, SaType::esp, 0x1001)).replay_value, (pfkey::ReplayValue{.low = 1000}));
}

TEST_F(VaultTest, MemoryIsReused) {
  for (int round = 0; round < 2000; ++round) {
    ASSERT_EQ(ask(rich(0x1001)).error, 0);
    ASSERT_EQ(ask(request(Type::del, SaType::esp, 0x1001)).error, 0);
  }
  EXPECT_EQ(contents(*vault, 0).size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace ipseckey::ipsecd
