#include "base/json.h"

#include <gtest/gtest.h>

namespace ipseckey {

namespace {

TEST(Json, AnObjectIsALineWithItsMembersInOrder) {
  JsonObject inner, first, second;
  inner.put("z", false);
  first.put("n", 1u);
  second.put("n", std::uint64_t{UINT64_MAX});
  std::vector<JsonObject> list;
  list.push_back(std::move(first));
  list.push_back(std::move(second));
  JsonObject object;
  object.put("text", "a \"word\"\n");
  object.put("octet", std::uint8_t{7});
  object.put("yes", true);
  object.put("texts", std::vector<std::string>{"b", "a"});
  object.put("none", std::vector<std::string>());
  object.put("inner", std::move(inner));
  object.put("list", std::move(list));
  object.put("empty", JsonObject());
  EXPECT_EQ(object.line(),
            R"({"text":"a \"word\"\n","octet":7,"yes":true,"texts":["b","a"],"none":[],"inner":{"z":false},)"
            R"("list":[{"n":1},{"n":18446744073709551615}],"empty":{}})"
            "\n");
}

TEST(Json, InvalidUtf8StillGivesJson) {
  JsonObject object;
  object.put("path", "/run/\xff");
  object.put("name", "\xc3\xa9");
  EXPECT_EQ(object.line(), "{\"path\":\"/run/\\ufffd\",\"name\":\"\\u00e9\"}\n");
}

}  // namespace

}  // namespace ipseckey
