// What is suggested for words that are not in the language.
#include <gtest/gtest.h>

#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::report;

TEST(Suggest, OfTheLanguageItself) {
  EXPECT_EQ(report("ad esp spi 1 dst 192.0.2.1"), "keys:1:1: error: Unknown command \"ad\"; did you mean add?\n");
  EXPECT_EQ(report("del esp spi 1 dst 192.0.2.1"),
            "keys:1:1: error: Unknown command \"del\"; did you mean delete or delete-pair?\n");
  EXPECT_EQ(report("update esp spi 1 dst 192.0.2.1 authalg sha3"),
            "keys:1:40: error: authalg: Unknown authentication algorithm \"sha3\"; did you mean sha384?\n");
  EXPECT_EQ(report("update esp spi 1 dst 192.0.2.1 encralg sha256"),
            "keys:1:40: error: encralg: Unknown encryption algorithm \"sha256\"\n");
}

}  // namespace
}  // namespace ipseckey::lang
