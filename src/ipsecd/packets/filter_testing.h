#pragma once
/// Which of several sockets receive a packet according to their filters.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "ipsecd/packets/inlet.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd::testing {

/// The numbers of those of `count` sockets that receive the whole packet when each has the filter for its share. A
/// datagram socket of any family can run the filter.
inline std::vector<unsigned> getters(unsigned count, Bytes packet,
                                     const std::function<std::vector<sock_filter>(Share)>& filter) {
  std::vector<unsigned> who;
  for (unsigned number = 0; number < count; ++number) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    const Descriptor near(ends[0]), far(ends[1]);
    std::vector<sock_filter> code = filter({number, count});
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    EXPECT_EQ(::setsockopt(far.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    ::send(near.get(), packet.data(), packet.size(), 0);
    std::array<std::byte, 256> room;
    const ssize_t got = ::recv(far.get(), room.data(), room.size(), 0);
    if (got < 0) continue;
    EXPECT_EQ(static_cast<std::size_t>(got), packet.size());
    who.push_back(number);
  }
  return who;
}

}  // namespace ipseckey::ipsecd::testing
