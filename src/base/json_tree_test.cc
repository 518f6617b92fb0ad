#include "base/json_tree.h"

#include <gmock/gmock.h>

#include <random>

namespace ipseckey {

namespace {

using Kind = JsonNode::Kind;

std::string broken(std::string_view text) {
  JsonTree tree;
  const auto found = tree.parse(text);
  return found ? std::to_string(found->at) + ": " + std::string(found->message) : "";
}

TEST(JsonTree, HasANodeForEachValue) {
  JsonTree tree;
  ASSERT_FALSE(tree.parse(R"( {"a": [1, -2.5e3, {"b": true}], "c": "x\ny", "d": null, "e": {}} )"));
  const JsonNode& root = tree.root();
  EXPECT_EQ(root.kind, Kind::object);
  const JsonNode& a = *tree.find(root, "a");
  EXPECT_EQ(a.kind, Kind::array);
  EXPECT_EQ(tree.raw(a), R"([1, -2.5e3, {"b": true}])");
  std::vector<std::string_view> elements;
  tree.for_each(a, [&](const JsonNode& n) { elements.push_back(tree.raw(n)); });
  EXPECT_THAT(elements, testing::ElementsAre("1", "-2.5e3", R"({"b": true})"));
  const JsonNode& c = *tree.find(root, "c");
  EXPECT_EQ(tree.raw(c), "x\\ny");
  EXPECT_EQ(tree.string(c), "x\ny");
  EXPECT_FALSE(c.plain);
  EXPECT_EQ(tree.find(root, "d")->kind, Kind::null);
  EXPECT_EQ(tree.find(root, "e")->kind, Kind::object);
  EXPECT_EQ(tree.find(root, "f"), nullptr);
  EXPECT_EQ(tree.find(c, "f"), nullptr);
}

TEST(JsonTree, ResolvesAndReturnsPointers) {
  JsonTree tree;
  ASSERT_FALSE(tree.parse(R"({"src": {"port": 1}, "list": [{"x": 2}, {"x": 3}]})"));
  const JsonNode& port = tree.on_the_way("/src/port");
  EXPECT_EQ(tree.raw(port), "1");
  EXPECT_EQ(tree.pointer(port), "/src/port");
  EXPECT_EQ(tree.pointer(tree.on_the_way("/src/address")), "/src");
  EXPECT_EQ(tree.pointer(tree.on_the_way("/dst/address")), "");
  EXPECT_EQ(&tree.on_the_way(""), &tree.root());
  const JsonNode& list = *tree.find(tree.root(), "list");
  const JsonNode* last = nullptr;
  tree.for_each(list, [&](const JsonNode& n) { last = &n; });
  EXPECT_EQ(tree.pointer(*tree.find(*last, "x")), "/list/1/x");
  EXPECT_EQ(&tree.parent(*last), &list);
  EXPECT_EQ(&tree.parent(list), &tree.root());
}

TEST(JsonTree, ResolvesEveryEscape) {
  JsonTree tree;
  ASSERT_FALSE(tree.parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e4\u20ac\ud834\udd1e")"));
  EXPECT_EQ(tree.string(tree.root()), "\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9d\x84\x9e");
}

TEST(JsonTree, ReportsWhereATextIsNotJson) {
  EXPECT_EQ(broken(R"({"a": 1})"), "");
  EXPECT_EQ(broken(""),
            "0: a value is expected here: a number, a string in quotes, true, false, an object or an array");
  EXPECT_EQ(broken(R"({"a" 1})"), "5: a colon is expected here, between a name and its value");
  EXPECT_EQ(broken(R"({"a": 1 "b": 2})"), "8: a comma or } is expected here");
  EXPECT_EQ(broken("[1 2]"), "3: a comma or ] is expected here");
  EXPECT_EQ(broken(R"({"a": 1,})"), "8: a name in quotes is expected here");
  EXPECT_EQ(broken("{a: 1}"), "1: a name in quotes is expected here");
  EXPECT_EQ(broken("1 2"), "2: nothing may follow the value");
  EXPECT_EQ(broken("01"), "1: a number must not begin with 0");
  EXPECT_EQ(broken("-"), "1: a digit is expected here");
  EXPECT_EQ(broken("1."), "2: a digit is expected here");
  EXPECT_EQ(broken("1e+"), "3: a digit is expected here");
  EXPECT_EQ(broken(R"("a)"), "2: this string has no closing quote");
  EXPECT_EQ(broken("\"a\n\""),
            "2: control character in a string; close the string on its line, and write \\n for a line break");
  EXPECT_EQ(broken("\"a\t\""), "2: this string contains a tab; write \\t instead");
  for (const std::string_view text : {std::string_view("\"a\0\"", 4), std::string_view("\"a\x1f\"")})
    EXPECT_EQ(broken(text), "2: this string contains a control character; remove it, or write it as \\u00XX");
  for (const auto* text : {R"("\x")", R"("\u12g4")", R"("\ud834")", R"("\ud834\u0041")", R"("\udd1e")", R"("\)"})
    EXPECT_EQ(broken(text), "1: this is not a JSON escape") << text;
  // Overlong, surrogates, beyond Unicode, truncated (RFC 3629 section 3).
  for (const auto* text : {"\"\xff\"", "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"",
                           "\"\xf4\x90\x80\x80\"", "\"\xc3\"", "\"\x80\""})
    EXPECT_EQ(broken(text), "1: this is not UTF-8; write octets in \"hex\"") << text;
}

TEST(JsonTree, HasLimits) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(broken(nested(JsonTree::kDeepest)), "");
  EXPECT_EQ(broken(nested(JsonTree::kDeepest + 1)), "16: values are nested too deeply (at most 16 levels)");
  EXPECT_EQ(broken(std::string(1 << 20, '[')), "16: values are nested too deeply (at most 16 levels)");
  const auto list = [](std::size_t values) {
    std::string text = "[0";
    for (std::size_t i = 2; i < values; ++i) text += ",0";
    return text + "]";
  };
  EXPECT_EQ(broken(list(JsonTree::kMostNodes)), "");
  EXPECT_EQ(broken(list(JsonTree::kMostNodes + 1)), "8191: too many values in one object (at most 4096)");
  EXPECT_EQ(broken("\"" + std::string(JsonTree::kLongestString, 'x') + "\""), "");
  EXPECT_EQ(broken("\"" + std::string(JsonTree::kLongestString + 1, 'x') + "\""),
            "65538: this string is too long (at most 65536 bytes)");
}

// Any truncation of a text is valid, or is refused at its end.
TEST(JsonTree, StopsAtTheEndOfItsText) {
  const std::string whole = R"({"a": [1, "x\u00e4", {"b": -1.5e3}], "c": "é", "d": null})";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    JsonTree tree;
    const auto found = tree.parse(std::string_view(whole).substr(0, n));
    ASSERT_TRUE(found) << n;
    EXPECT_LE(found->at, n);
  }
  EXPECT_EQ(broken(whole), "");
}

}  // namespace

}  // namespace ipseckey
