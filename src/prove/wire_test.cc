#include "prove/wire.h"

#include <gtest/gtest.h>

namespace ipseckey::prove {
namespace {

Marker marker(int first) {
  Marker m;
  for (std::size_t i = 0; i < m.size(); ++i) m[i] = static_cast<std::byte>(first + static_cast<int>(i));
  return m;
}

Ask ask() {
  Ask a;
  a.out_spi = 0x1000, a.in_spi = 0x1001;
  a.wanted = {*parse_address("10.2.0.0"), 16};
  a.from = *parse_address("fd01::1"), a.to = *parse_address("fd02::1");
  a.outer = *parse_address("192.0.2.1");
  a.protocol = 17, a.from_port = 40000, a.to_port = kPort;
  return a;
}

Tell tell() {
  Tell t;
  t.seen_from = *parse_address("192.0.2.1");
  t.mine = *parse_address("10.2.0.1");
  t.time = 1'800'000'000;
  t.to_you.held = t.to_you.outbound = true;
  t.to_you.type = 3, t.to_you.auth = 5, t.to_you.encrypt = 12, t.to_you.icv_bits = 128;
  t.to_me = t.to_you;
  t.to_me.tunnel = t.to_me.udp = t.to_me.was_held = true, t.to_me.window = 64, t.to_me.fate = 2, t.to_me.objections = 9;
  t.in_rule = RuleThere::served, t.out_rule = RuleThere::missing;
  t.out_spi = 1, t.protected_seen = 2, t.other_spi = 3, t.last_number = 4, t.clear_seen = 5, t.answers_clear = 6;
  t.protected_from = *parse_address("198.51.100.1");
  t.received = 7, t.of_marker = 8;
  t.counters = {{"in.corrupt", 3}, {"XfrmInNoPols", 1'000'000'000'000}};
  return t;
}

TEST(Wire, ReadsWhatItWrites) {
  const Head head{Kind::ask, marker(1), marker(100)};
  const auto question = write_ask(head, ask());
  EXPECT_EQ(question.size(), kTalk);
  EXPECT_EQ(read_head(question), head);
  EXPECT_EQ(read_ask(question), ask());
  const auto answer = write_tell({Kind::tell, marker(1), marker(100)}, tell());
  EXPECT_LT(answer.size(), kMostTell);
  EXPECT_EQ(read_tell(answer), tell());
  EXPECT_EQ(read_tell(write_tell(head, Tell())), Tell());
}

TEST(Wire, NoPartOfAMessageIsOne) {
  const auto question = write_ask({Kind::ask, {}, {}}, ask());
  const auto answer = write_tell({Kind::tell, {}, {}}, tell());
  for (std::size_t size = 0; size < kTalk; ++size) EXPECT_FALSE(read_ask(Bytes(question).first(size))) << size;
  for (std::size_t size = 0; size < answer.size(); ++size) EXPECT_FALSE(read_tell(Bytes(answer).first(size))) << size;
  auto longer = answer;
  longer.emplace_back();
  EXPECT_FALSE(read_tell(longer));
  for (std::size_t size = 0; size < kHead; ++size) EXPECT_FALSE(read_head(Bytes(question).first(size))) << size;
}

// In the largest protection: IPv6 in IPv6, AH, UDP, an IV, padding and an ICV of 32 octets.
TEST(Wire, AnAnswerIsNotLongerThanTheQuestion) {
  constexpr std::size_t kHeads = 28, kProtection = 40 + 44 + 8 + 8 + 16 + 17 + 32;
  Tell full = tell();
  for (int i = 0; i < 200; ++i) full.counters["in.a_counter_" + std::to_string(i)] = 1;
  EXPECT_LE(kHeads + write_tell({Kind::tell, {}, {}}, full).size() + kProtection, kHeads + kTalk);
}

TEST(Wire, RefusesWhatIsNotOurs) {
  const auto good = write_ask({Kind::ask, {}, {}}, ask());
  const auto with = [&](std::size_t at, int octet) {
    auto changed = good;
    changed[at] = static_cast<std::byte>(octet);
    return changed;
  };
  EXPECT_FALSE(read_head(with(0, 'J')));  // The magic.
  EXPECT_FALSE(read_head(with(8, 2)));    // The version.
  EXPECT_FALSE(read_head(with(9, 0)));    // The kind.
  EXPECT_FALSE(read_head(with(9, 7)));
  constexpr std::size_t kWanted = kHead + 8;
  EXPECT_FALSE(read_ask(with(kWanted, 2)));            // A family.
  EXPECT_FALSE(read_ask(with(kWanted + 1 + 16, 33)));  // A prefix of IPv4.
  EXPECT_FALSE(read_ask(with(kWanted + 1 + 15, 1)));   // Octets behind an IPv4 address.
  EXPECT_FALSE(read_ask(with(kWanted + 18, 0)));       // Two families.
}

TEST(Wire, CountersThatDoNotFitAreLeftOut) {
  Tell t = tell();
  t.counters.clear();
  for (int i = 0; i < 200; ++i) t.counters["in.a_counter_with_a_long_name_" + std::to_string(i)] = 1;
  t.counters["in.nothing"] = 0;
  t.counters["a name with blanks"] = 0;
  const auto back = read_tell(write_tell({Kind::tell, {}, {}}, t));
  ASSERT_TRUE(back);
  EXPECT_GT(back->counters.size(), 10u);
  EXPECT_LT(back->counters.size(), 25u);
  for (const auto& [name, value] : back->counters) EXPECT_EQ(t.counters[name], value);
}

}  // namespace
}  // namespace ipseckey::prove
