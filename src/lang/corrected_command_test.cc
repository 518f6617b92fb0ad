#include "lang/corrected_command.h"

#include <gtest/gtest.h>

namespace ipseckey::lang {
namespace {

TEST(Amend, SwapsSourceAndDestination) {
  EXPECT_EQ(with_ends_swapped("add esp spi 0x5432 src me dst you pair-spi 0x2345"),
            "add esp spi 0x5432 src you dst me pair-spi 0x2345");
  EXPECT_EQ(with_ends_swapped("add esp \\\n  daddr 192.0.2.2 spi 5 \\\n  saddr \"192.0.2.1\" srcidtype fqdn \"a b\""),
            "add esp daddr \"192.0.2.1\" spi 5 saddr 192.0.2.2 srcidtype fqdn \"a b\"");
  EXPECT_EQ(with_ends_swapped(
                "add ah spi 1 src 192.0.2.1 dst 192.0.2.2 authalg md5 authkey 00112233445566778899aabbccddeeff"),
            "add ah spi 1 src 192.0.2.2 dst 192.0.2.1 authalg md5 authkey ********************************");
  EXPECT_EQ(with_ends_swapped("add ah spi 1 src 00112233445566778899aabbccddeeff dst 192.0.2.2 authkey 00"),
            "add ah spi 1 src 192.0.2.2 dst ******************************** authkey **");
  EXPECT_EQ(with_ends_swapped("add esp outbound spi 1 src 192.0.2.1 dst 192.0.2.2"),
            "add esp inbound spi 1 src 192.0.2.2 dst 192.0.2.1");
  EXPECT_EQ(with_ends_swapped("add esp spi 1 src 192.0.2.1 dst 192.0.2.2 srcidtype fqdn inbound inbound"),
            "add esp spi 1 src 192.0.2.2 dst 192.0.2.1 srcidtype fqdn inbound outbound");
  EXPECT_EQ(with_ends_swapped("add esp spi 1 dst 192.0.2.2"), std::nullopt);
  EXPECT_EQ(with_ends_swapped("add esp spi 1 dst 192.0.2.2 src"), std::nullopt);
  EXPECT_EQ(with_ends_swapped("add esp spi 1 src 192.0.2.1 dst \"192.0.2.2"), std::nullopt);
  EXPECT_EQ(with_ends_swapped(""), std::nullopt);
}

TEST(Amend, WritesACommandThroughAPipe) {
  EXPECT_EQ(through_a_pipe("update esp spi 0x123456 dst 192.168.99.2 pair-spi 0x654321"),
            "echo 'update esp spi 0x123456 dst 192.168.99.2 pair-spi 0x654321' | ipseckey");
  EXPECT_EQ(through_a_pipe("update esp spi 1 dst 192.0.2.2 dstidtype fqdn \"it's\""), std::nullopt);
  EXPECT_EQ(through_a_pipe("add ah spi 1 dst 192.0.2.2 authalg md5 authkey 00112233445566778899aabbccddeeff"),
            std::nullopt);
  EXPECT_EQ(through_a_pipe("add ah spi 1 dst 192.0.2.2 authalg md5 00112233445566778899aabbccddeeff"), std::nullopt);
  EXPECT_EQ(through_a_pipe("add \""), std::nullopt);
}

}  // namespace
}  // namespace ipseckey::lang
