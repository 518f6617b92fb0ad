// The table of joints against the table of keywords.
#include "lang/joints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>

#include "lang/keywords.h"

namespace lang {
namespace {

bool has_joint(const Keyword& row) {
  return std::ranges::any_of(joined(), [&](const Joined& joint) { return joint.slot == row.slot; });
}

// What depends on several keywords at once: the ends of the SA and of its traffic, the way through a NAT, keys.
template <class T>
constexpr bool kOfSeveral =
    std::is_same_v<T, Host> || std::is_same_v<T, Network> || std::is_same_v<T, Port> || std::is_same_v<T, Protocol> ||
    std::is_same_v<T, IcmpNumber> || std::is_same_v<T, Encapsulation> || std::is_same_v<T, KeyValue>;

TEST(Joints, EachKeywordWithAValueOfItsOwnHasOne) {
  for (const Keyword& row : keywords()) {
    const bool function = std::visit([]<class T>(std::optional<T> SaSpec::*) { return kOfSeveral<T>; }, row.slot) ||
                          row.slot == Slot(&SaSpec::reserved_bits);  // The last bits of encrkey.
    EXPECT_EQ(has_joint(row), row.used != 0 && !function) << row.name();
  }
}

TEST(Joints, CommandsThatLookForAnSaSayWhatTheyUse) {
  for (const Joined& joint : joined()) {
    const Keyword& row = keyword_for(joint.slot);
    EXPECT_EQ(joint.names, (row.used & kFinders) != 0) << row.name();
  }
}

// A message that says nothing gives a spec that says nothing; the name is the one thing that every SA has.
TEST(Joints, NothingIsMadeOfNothing) {
  pfkey::Message m;
  m.sa.emplace();
  SaSpec spec;
  take_joined(m, spec);
  EXPECT_EQ(spec.spi, Spi{0});
  for (const Joined& joint : joined()) {
    const bool said = std::visit([&](auto member) { return (spec.*member).has_value(); }, joint.slot);
    EXPECT_EQ(said, joint.slot == Slot(&SaSpec::spi)) << keyword_for(joint.slot).name();
  }
  spec.spi.reset();
  pfkey::Message again;
  again.sa.emplace();
  put_joined(spec, Put::all, again);
  EXPECT_EQ(again, m);
}

TEST(Joints, AZeroThatMeansNoneIsLeftOut) {
  SaSpec spec;
  spec.reqid = Count32{0}, spec.if_id = Count32{7}, spec.hard_bytes = Count{0};
  settle_joined(spec);
  EXPECT_FALSE(spec.reqid);
  EXPECT_EQ(spec.if_id, Count32{7});
  EXPECT_EQ(spec.hard_bytes, Count{0});
}

}  // namespace
}  // namespace lang
