#include "system/unix_address.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "system/descriptor.h"

namespace {

TEST(UnixAddress, IsWhereASocketIsBound) {
  const std::string path = ::testing::TempDir() + "address." + std::to_string(::getpid());
  const auto address = UnixAddress::of(path, path);
  ASSERT_TRUE(address);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(UnixAddress::path_of(socket.get()), "");
  ASSERT_EQ(::bind(socket.get(), address->get(), address->size()), 0);
  EXPECT_EQ(UnixAddress::path_of(socket.get()), path);
  ::unlink(path.c_str());
}

TEST(UnixAddress, ALongPathIsRefusedWithItsLength) {
  EXPECT_TRUE(UnixAddress::of(std::string(107, 'x'), "x"));
  EXPECT_EQ(UnixAddress::of(std::string(108, 'x'), "SHOWN").error().text,
            "the socket path SHOWN has 108 bytes; a Unix socket's has at most 107");
  EXPECT_EQ(UnixAddress::of("", "").error().text, "the path of ipsecd's socket is empty");
}

}  // namespace
