#include "base/id_map.h"

#include <gtest/gtest.h>

namespace ipseckey {

namespace {

TEST(IdMap, TheFirstNamespaceKnowsEveryNumber) {
  for (const char* const map : {"         0          0 4294967295\n", "0 0 4294967295"})
    EXPECT_EQ(id_map::stranger(map, "65534\n"), std::nullopt) << map;
}

TEST(IdMap, OthersShowUnknownNumbersAsOne) {
  for (const char* const map : {"", "\n", "0 0 1\n", "0 1000 1\n", "0 1000 4294967295\n", "1 0 4294967295\n",
                                "0 0 4294967294\n", "0 1000 1\n1 100000 65536\n", "0 0 4294967295\n5 5 5\n",
                                "0 0 4294967295x\n", "0 0\n", "all\n", "0 0 99999999999\n"}) {
    EXPECT_EQ(id_map::stranger(map, "65534\n"), 65534u) << map;
    EXPECT_EQ(id_map::stranger(map, "12\n"), 12u) << map;
    EXPECT_EQ(id_map::stranger(map, ""), 65534u) << map;  // Linux's usual one.
  }
}

}  // namespace

}  // namespace ipseckey
