// The kernel's counters of packets that nobody could read.
#include "ipsecd/packets/overruns.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>

#include <string>

#include "base/net.h"
#include "ipsecd/packets/socket_address.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {
namespace {

TEST(Overruns, OfASocket) {
  const Descriptor taker(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      giver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto loopback = socket_address({*parse_address("127.0.0.1"), 0});
  ASSERT_EQ(::bind(taker.get(), loopback.get(), loopback.size), 0);
  SocketAddress there;
  there.size = sizeof there.storage;
  ASSERT_EQ(::getsockname(taker.get(), generic(there.storage), &there.size), 0);
  EXPECT_EQ(dropped_by_socket(taker.get()), 0u);
  int room = 0;  // The kernel raises it to its minimum.
  ASSERT_EQ(::setsockopt(taker.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  const std::string some(1000, 'x');
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(::sendto(giver.get(), some.data(), some.size(), 0, there.get(), there.size), 1000);
  unsigned waiting = 0;
  std::string got(2000, '\0');
  while (::recv(taker.get(), got.data(), got.size(), MSG_DONTWAIT) > 0) ++waiting;
  EXPECT_GT(waiting, 0u);
  EXPECT_EQ(dropped_by_socket(taker.get()), 100 - waiting);
}

TEST(Overruns, OfADevice) {
  EXPECT_EQ(dropped_by_device(::if_nametoindex("lo")), 0u);  // Nothing is ever lost there.
  EXPECT_EQ(dropped_by_device(1'000'000'000), std::nullopt);
}

TEST(Overruns, OfADeletedDevice) {
  DeviceOverruns overruns;
  EXPECT_EQ(overruns.count(), 0u);
  overruns.follow(1'000'000'000);
  EXPECT_EQ(overruns.count(), 0u);
}

}  // namespace
}  // namespace ipseckey::ipsecd
