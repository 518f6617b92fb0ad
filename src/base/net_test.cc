#include "base/net.h"

#include <gtest/gtest.h>

namespace ipseckey {

namespace {

Address address(std::string_view text) { return *parse_address(text); }

struct TextRow {
  std::string_view in;
  std::string_view out;  ///< What to_string() returns for it.
};

// IPv6 output is RFC 5952's: lower case, the longest run of zeros folded, the first of equal runs, no single zero.
constexpr TextRow kTexts[] = {
    {"0.0.0.0", "0.0.0.0"},
    {"192.0.2.1", "192.0.2.1"},
    {"255.255.255.255", "255.255.255.255"},
    {"::", "::"},
    {"::1", "::1"},
    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"2001:0db8:0000:0042:0000:8a2e:0370:7334", "2001:db8:0:42:0:8a2e:370:7334"},
    {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
};

TEST(Address, TextIsReturnedInItsCanonicalForm) {
  for (const TextRow& row : kTexts) {
    const auto a = parse_address(row.in);
    ASSERT_TRUE(a) << row.in;
    EXPECT_EQ(to_string(*a), row.out);
    EXPECT_EQ(parse_address(row.out), a) << row.in;
  }
}

TEST(Address, TextThatIsNotAnAddressIsRefused) {
  constexpr std::string_view refused[] = {
      "",
      " ",
      "192.0.2",
      "192.0.2.256",
      "192.0.2.1.1",
      "192.0.2.1 ",
      " 192.0.2.1",
      "0x7f.1",
      "1",
      "192.0.2.01",
      "192.0.2.1/24",
      "192.0.2.1:80",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "g::",
      "::1%lo",
      "::1/64",
      "[::1]",
      "localhost",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255.255.255.255",
  };
  for (const std::string_view text : refused) EXPECT_EQ(parse_address(text), std::nullopt) << text;
  EXPECT_EQ(parse_address(std::string_view("::1\0", 4)), std::nullopt) << "a NUL at the end";
  EXPECT_EQ(parse_address(std::string_view("192.0.2.1\0.9", 12)), std::nullopt) << "a NUL inside";
}

TEST(Address, SizesDependOnTheFamily) {
  EXPECT_EQ(address("192.0.2.1").size(), 4u);
  EXPECT_EQ(address("192.0.2.1").bits(), 32u);
  EXPECT_EQ(address("::").size(), 16u);
  EXPECT_EQ(address("::").bits(), 128u);
  EXPECT_EQ(address("1.2.3.4").bytes()[0], std::byte{1});
  EXPECT_EQ(address("1.2.3.4").bytes().size(), 4u);
  EXPECT_NE(unspecified(Family::v4), unspecified(Family::v6));
}

struct ClassRow {
  std::string_view text;
  bool unspecified, loopback, multicast, link_local;
};

constexpr ClassRow kClasses[] = {
    {"0.0.0.0", true, false, false, false},
    {"::", true, false, false, false},
    {"0.0.0.1", false, false, false, false},
    {"127.0.0.1", false, true, false, false},
    {"127.255.255.255", false, true, false, false},
    {"128.0.0.1", false, false, false, false},
    {"::1", false, true, false, false},
    {"::2", false, false, false, false},
    {"223.255.255.255", false, false, false, false},
    {"224.0.0.1", false, false, true, false},
    {"239.255.255.255", false, false, true, false},
    {"240.0.0.1", false, false, false, false},
    {"255.255.255.255", false, false, true, false},
    {"255.255.255.254", false, false, false, false},
    {"ff02::1", false, false, true, false},
    {"fe00::1", false, false, false, false},
    {"169.254.0.1", false, false, false, true},
    {"169.255.0.1", false, false, false, false},
    {"fe80::1", false, false, false, true},
    {"febf::1", false, false, false, true},
    {"fec0::1", false, false, false, false},
};

TEST(Address, HasTheClassesOfItsRange) {
  for (const ClassRow& row : kClasses) {
    const Address a = address(row.text);
    EXPECT_EQ(is_unspecified(a), row.unspecified) << row.text;
    EXPECT_EQ(is_loopback(a), row.loopback) << row.text;
    EXPECT_EQ(is_multicast(a), row.multicast) << row.text;
    EXPECT_EQ(is_link_local(a), row.link_local) << row.text;
  }
}

TEST(Unmapped, ConvertsOnlyMappedAddressesToIpv4) {
  EXPECT_EQ(unmapped(address("::ffff:192.0.2.1")), address("192.0.2.1"));
  EXPECT_EQ(unmapped(address("::ffff:0.0.0.0")), address("0.0.0.0"));
  for (const auto* same : {"192.0.2.1", "::", "::1", "::fffe:192.0.2.1", "::192.0.2.1", "0:0:0:0:1:ffff:c000:201"})
    EXPECT_EQ(unmapped(address(same)), address(same)) << same;
}

struct MaskRow {
  std::string_view in;
  unsigned length;
  std::string_view out;
};

constexpr MaskRow kMasks[] = {
    {"255.255.255.255", 0, "0.0.0.0"},   {"255.255.255.255", 1, "128.0.0.0"},
    {"10.1.2.3", 8, "10.0.0.0"},         {"10.255.2.3", 12, "10.240.0.0"},
    {"10.1.2.3", 31, "10.1.2.2"},        {"10.1.2.3", 32, "10.1.2.3"},
    {"10.1.2.3", 200, "10.1.2.3"},       {"2001:db8:ffff::1", 33, "2001:db8:8000::"},
    {"2001:db8::1", 64, "2001:db8::"},   {"2001:db8::1", 127, "2001:db8::"},
    {"2001:db8::1", 128, "2001:db8::1"}, {"ffff::ffff", 0, "::"},
};

TEST(Masked, ClearsTheBitsAfterThePrefix) {
  for (const MaskRow& row : kMasks)
    EXPECT_EQ(to_string(masked(address(row.in), row.length)), row.out) << row.in << '/' << row.length;
}

}  // namespace

}  // namespace ipseckey
