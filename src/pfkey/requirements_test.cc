// What needs no SADB of the table of requirements; kernel/requirements_test.cc breaks each row on every SADB.
#include "pfkey/requirements.h"

#include <gtest/gtest.h>

#include <set>

namespace ipseckey::pfkey {
namespace {

// The masks of illumos' keysock: AH never has bits about NAT, UPDATE neither a tunnel's nor an algorithm's.
TEST(Requirements, SettableFlagsAreTheOriginals) {
  EXPECT_EQ(settable_flags(SaType::ah, false), 0x33c3c002u);
  EXPECT_EQ(settable_flags(SaType::esp, false), 0x3fdbd002u);
  EXPECT_EQ(settable_flags(SaType::ah, true), 0x03c1c002u);
  EXPECT_EQ(settable_flags(SaType::esp, true), 0x03d9d002u);
}

TEST(Requirements, NoPartIsEmptyAndNoRowAppearsTwice) {
  std::set<Part> parts;
  std::set<bool (*)(const Asked&)> conditions;
  for (const Requirement& row : requirements()) {
    parts.insert(row.part);
    EXPECT_TRUE(conditions.insert(row.broken).second) << name_of(row.diagnostic);
  }
  EXPECT_EQ(parts.size(), static_cast<std::size_t>(Part::numbers) + 1);
}

// No extension says how large a window is but the one that is there; SA says min(window, 255) beside it.
TEST(Messages, TheWindowIsWhatReplayWindowSaysOrElseTheSa) {
  Message m;
  EXPECT_EQ(m.window(), 0u);
  EXPECT_FALSE(m.extended());
  m.sa = Sa{.spi = 1, .replay = 32};
  EXPECT_EQ(m.window(), 32u);
  m.replay_window = ReplayWindow{300, true};
  EXPECT_EQ(m.window(), 300u);
  EXPECT_TRUE(m.extended());
}

TEST(Messages, APortOfNatIs4500WhereNoneIsNamed) {
  EXPECT_EQ(nat_port(std::nullopt), 4500);
  Endpoint end;
  EXPECT_EQ(nat_port(end), 4500);
  end.port = 4501;
  EXPECT_EQ(nat_port(end), 4501);
}

}  // namespace
}  // namespace ipseckey::pfkey
