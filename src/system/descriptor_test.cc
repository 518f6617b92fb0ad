#include "system/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace ipseckey {

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

int new_file() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(Descriptor, IsClosedWithItsOwnerAndNoSooner) {
  const int fd = new_file();
  {
    Descriptor first(fd);
    const Descriptor second(std::move(first));
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), fd);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(Descriptor, AnAssignmentClosesThePreviousOne) {
  const int old = new_file(), fresh = new_file();
  Descriptor one(old);
  one = Descriptor(fresh);
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(fresh));
}

TEST(Descriptor, AReleasedOneStaysOpen) {
  const int fd = new_file();
  EXPECT_EQ(Descriptor(fd).release(), fd);
  EXPECT_TRUE(is_open(fd));
  ::close(fd);
}

TEST(Descriptor, StandardDescriptorsStayOpen) {
  {
    const Descriptor input(STDIN_FILENO), error(STDERR_FILENO);
  }
  EXPECT_TRUE(is_open(STDIN_FILENO));
  EXPECT_TRUE(is_open(STDERR_FILENO));
}

TEST(Descriptor, AnEmptyOneIsInvalid) {
  EXPECT_FALSE(Descriptor());
  EXPECT_FALSE(Descriptor(-1));
  EXPECT_TRUE(Descriptor(STDIN_FILENO));
}

}  // namespace

}  // namespace ipseckey
