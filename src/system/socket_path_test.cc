#include "system/socket_path.h"

#include <gtest/gtest.h>

namespace ipseckey {

namespace {

TEST(SocketPath, TheDefaultSocketBelongsToTheUser) {
  EXPECT_EQ(default_socket_path(true, "/run/user/0"), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(true, nullptr), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, "/run/user/7"), "/run/user/7/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, nullptr), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, ""), "/run/ipsecd/pfkey.sock");
}

}  // namespace

}  // namespace ipseckey
