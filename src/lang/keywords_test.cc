// Keywords and the message, in both directions.
#include "lang/keywords.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace ipseckey::lang {
namespace {

// What depends on several keywords at once: the ends of the SA and of its traffic, the way through a NAT, keys.
template <class T>
constexpr bool kOfSeveral =
    std::is_same_v<T, Host> || std::is_same_v<T, Network> || std::is_same_v<T, Port> || std::is_same_v<T, Protocol> ||
    std::is_same_v<T, IcmpNumber> || std::is_same_v<T, Encapsulation> || std::is_same_v<T, KeyValue>;

TEST(Joints, EachKeywordWithAValueOfItsOwnHasOne) {
  for (const Keyword& row : keywords()) {
    const bool function = std::visit([]<class T>(std::optional<T> SaSpec::*) { return kOfSeveral<T>; }, row.slot) ||
                          row.slot == Slot(&SaSpec::reserved_bits);  // The last bits of encrkey.
    EXPECT_EQ(row.joint.put != nullptr, row.used != 0 && !function) << row.name();
    EXPECT_EQ(row.joint.put != nullptr, row.joint.take != nullptr) << row.name();
    EXPECT_TRUE(row.joint.slot == row.slot) << row.name();
  }
}

// A message that says nothing gives a spec that says nothing; the name is the one thing that every SA has.
TEST(Joints, NothingIsMadeOfNothing) {
  pfkey::Message m;
  m.sa.emplace();
  SaSpec spec;
  take_joined(m, spec);
  EXPECT_EQ(spec.spi, Spi{0});
  for (const Keyword& row : keywords()) {
    const bool said = std::visit([&](auto member) { return (spec.*member).has_value(); }, row.slot);
    EXPECT_EQ(said, row.slot == Slot(&SaSpec::spi)) << row.name();
  }
  spec.spi.reset();
  for (const Put which : {Put::names, Put::all}) {
    pfkey::Message again;
    again.sa.emplace();
    put_joined(spec, which, again);
    EXPECT_EQ(again, m);
  }
}

// The keywords of a command that looks for an SA, and those of one that creates it.
TEST(Joints, CommandsThatLookForAnSaSayWhatTheyUse) {
  SaSpec spec;
  spec.spi = Spi{0x1000}, spec.outbound = Flag{}, spec.mark = pfkey::Mark{1, 2};
  spec.pair_spi = Spi{7}, spec.*kPlain<&pfkey::Message::reqid> = Plain<&pfkey::Message::reqid>{8},
  spec.hard_bytes = Count{9}, spec.esn = Flag{};
  pfkey::Message found, expected;
  found.sa.emplace(), expected.sa.emplace();
  put_joined(spec, Put::names, found);
  expected.sa->spi = 0x1000, expected.sa->flags = pfkey::kFlagOutbound, expected.mark = pfkey::Mark{1, 2};
  EXPECT_EQ(found, expected);
}

// ESN and a large replay window share an extension, in whichever order a command says them.
TEST(Joints, EsnKeepsTheWindow) {
  SaSpec spec;
  spec.replay = Window{1000}, spec.esn = Flag{};
  pfkey::Message m;
  m.sa.emplace();
  put_joined(spec, Put::all, m);
  EXPECT_EQ(m.replay_window, (pfkey::ReplayWindow{1000, true}));
}

TEST(Joints, AZeroThatMeansNoneIsLeftOut) {
  SaSpec spec;
  spec.*kPlain<&pfkey::Message::reqid> = Plain<&pfkey::Message::reqid>{0},
  spec.*kPlain<&pfkey::Message::if_id> = Plain<&pfkey::Message::if_id>{7}, spec.hard_bytes = Count{0};
  settle_joined(spec);
  EXPECT_FALSE(spec.*kPlain<&pfkey::Message::reqid>);
  EXPECT_EQ(spec.*kPlain<&pfkey::Message::if_id>, Plain<&pfkey::Message::if_id>{7});
  EXPECT_EQ(spec.hard_bytes, Count{0});
}

}  // namespace
}  // namespace ipseckey::lang
