#include "system/unix_address.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "system/descriptor.h"

namespace ipseckey {

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

// Linux accepts a path that fills the structure, without a zero after it.
TEST(UnixAddress, APathMayHaveNoEndMark) {
  const std::string folder = ::testing::TempDir() + "long." + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  sockaddr_un address{};
  constexpr std::size_t kAll = sizeof address.sun_path;
  ASSERT_LT(folder.size() + 1, kAll);
  const std::string path = folder + "/" + std::string(kAll - folder.size() - 1, 'x');
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), interface_cast<sockaddr>(&address), sizeof address), 0);
  EXPECT_EQ(UnixAddress::path_of(socket.get()), path);
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
}

TEST(UnixAddress, ALongPathIsRefusedWithItsLength) {
  EXPECT_TRUE(UnixAddress::of(std::string(107, 'x'), "x"));
  EXPECT_EQ(UnixAddress::of(std::string(108, 'x'), "SHOWN").error().text,
            "the socket path SHOWN has 108 bytes; at most 107 are allowed");
  EXPECT_EQ(UnixAddress::of("", "").error().text, "the path of ipsecd's socket is empty");
}

}  // namespace

}  // namespace ipseckey
