// The writer prints what the reader reads: over random rules, whatever they hold.
#include <random>

#include "pfkey/icmp.h"
#include "policylang/testing.h"

namespace ipseckey::policylang {
namespace {

using policy::Action;
using policy::Rule;

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_()) % n; }
  bool coin() { return below(2) == 1; }
  std::uint8_t octet() { return static_cast<std::uint8_t>(below(256)); }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[below(static_cast<std::uint32_t>(list.size()))];
  }

 private:
  std::mt19937 random_;
};

policy::Prefix prefix(Dice& dice, Family family) {
  Address a = unspecified(family);
  for (std::size_t i = 0; i < a.size(); ++i) a.octets[i] = static_cast<std::byte>(dice.octet());
  const auto length = static_cast<std::uint8_t>(dice.below(a.bits() + 1));
  return {masked(a, length), length};
}

policy::NumberRange range(Dice& dice) {
  const std::uint8_t a = dice.octet(), b = dice.octet();
  return {std::min(a, b), std::max(a, b)};
}

policy::Choice choice(Dice& dice, std::initializer_list<std::uint8_t> numbers, std::uint16_t bits) {
  policy::Choice c;
  if (dice.below(4) > 0) c.number = dice.one_of(numbers);
  if (dice.coin()) c.min_bits = bits;
  if (dice.coin()) c.max_bits = static_cast<std::uint16_t>(bits + (dice.coin() ? 64 : 0));
  return c;
}

policy::Protection protection(Dice& dice, const Rule& rule) {
  policy::Protection p;
  if (dice.coin()) p.ah = choice(dice, {5}, 256);
  if (dice.coin() || !p.ah) p.cipher = choice(dice, {12, 22}, 128);
  if (dice.coin()) p.integrity = choice(dice, {5}, 256);
  p.may_be_clear = dice.below(4) == 0;
  if (dice.coin()) p.reqid = dice.below(UINT32_MAX) + 1;
  const bool transport = rule.tunnel && !rule.tunnel->whole_packets;
  if (!transport && dice.below(3) == 0)
    p.ends = policy::TunnelEnds{prefix(dice, Family::v6).address, prefix(dice, Family::v6).address};
  p.unique = transport || (!in_tunnel_mode(rule, p) && dice.coin());
  if (rule.in != rule.out && !(p.ah && p.esp()) && !p.unique && dice.coin()) p.spi = dice.below(UINT32_MAX) + 1;
  return p;
}

void select(Dice& dice, policy::Selector& s) {
  const Family family = dice.coin() ? Family::v4 : Family::v6;
  if (dice.coin()) s.local = prefix(dice, family);
  if (dice.coin()) s.remote = prefix(dice, family);
  switch (dice.below(3)) {
    case 0:
      if (dice.coin()) s.protocol = static_cast<std::uint8_t>(dice.octet() | 1);
      break;
    case 1:
      if (dice.coin()) s.protocol = dice.one_of<std::uint8_t>({6, 17, 132});
      s.local_port = static_cast<std::uint16_t>(dice.below(65535) + 1);
      if (dice.coin()) s.remote_port = static_cast<std::uint16_t>(dice.below(65535) + 1);
      break;
    default:
      s.protocol = dice.one_of<std::uint8_t>({pfkey::kProtoIcmp, pfkey::kProtoIcmpV6});
      s.icmp_type = range(dice);
      if (dice.coin()) s.icmp_code = policy::NumberRange{0, static_cast<std::uint8_t>(dice.below(255))};
  }
  if ((s.local || s.remote) && s.protocol && pfkey::is_icmp(*s.protocol))
    s.protocol = family == Family::v4 ? pfkey::kProtoIcmp : pfkey::kProtoIcmpV6;
}

Rule rule(Dice& dice) {
  Rule r;
  if (dice.below(3) == 0) r.tunnel = policy::Tunnel{dice.coin() ? "ip.tun0" : "gre1", true};
  if (r.tunnel && r.tunnel->name == "gre1") {
    r.tunnel->whole_packets = false;
  } else {
    select(dice, r.selector);
  }
  r.out = dice.coin(), r.in = !r.out || dice.coin();
  if (dice.below(3) == 0) {
    r.alternatives = {{dice.coin() ? Action::pass : Action::drop, {}}};
  } else {
    for (std::uint32_t n = dice.below(3); n < 3; ++n) r.alternatives.push_back({Action::ipsec, protection(dice, r)});
    if (dice.below(4) == 0) r.alternatives.push_back({Action::pass, {}});
  }
  if (dice.below(4) == 0) {
    const std::uint32_t mask = dice.coin() ? UINT32_MAX : dice.below(UINT32_MAX);
    r.mark = pfkey::Mark{dice.below(UINT32_MAX) & mask, mask};
  }
  if (dice.below(4) == 0) r.if_id = dice.below(UINT32_MAX) + 1;
  return r;
}

TEST(PolicyWriter, PrintsWhatIsReadAsTheSameRule) {
  Dice dice(20260117);
  for (int i = 0; i < 3000; ++i) {
    const Rule before = rule(dice);
    const std::string text = write_rule(before);
    const PolicyFile file = testing::read(text);
    ASSERT_EQ(file.wrong, 0u) << text << "\n" << testing::report(file);
    ASSERT_EQ(file.rules.size(), 1u) << text;
    EXPECT_TRUE(file.rules[0] == before) << text << "\n" << write_rule(file.rules[0]);
    EXPECT_EQ(write_rule(file.rules[0]), text);
  }
}

TEST(PolicyWriter, NeedsALineForARule) {
  const PolicyFile file = testing::read("{ lport 1 dir in } drop {}\n{} ipsec { auth_algs sha1 }\n");
  EXPECT_EQ(write_rules(file.rules), "{ lport 1 dir in } drop {}\n{} ipsec { auth_algs hmac-sha1 }\n");
  EXPECT_EQ(write_rules({}), "");
}

}  // namespace
}  // namespace ipseckey::policylang
