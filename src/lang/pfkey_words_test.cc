// What `get` shows of a number of PF_KEY's, the language takes: both read one table.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/text.h"
#include "lang/complete.h"
#include "lang/syntax.h"
#include "lang/testing.h"
#include "pfkey/names.h"

namespace ipseckey::lang {
namespace {

constexpr std::string_view kAdd =
    "add esp spi 1 src 192.0.2.1 dst 192.0.2.2 encralg null authalg md5 authkey 000102030405060708090a0b0c0d0e0f ";

// The spec of a command that has only warnings.
SaSpec spec_of(const std::string& text) {
  Parser parser(testing::names());
  auto command = parser.parse(text, Where::file);
  EXPECT_TRUE(command) << text << testing::report(text);
  return command ? std::move(command->spec) : SaSpec();
}

template <class T>
std::string written(const T& value) {
  std::string out;
  Syntax<T>::write(value, false, out);
  return out;
}

TEST(PfkeyWords, IdentityTypes) {
  for (const pfkey::Word& row : pfkey::identity_words())
    text::for_each_word(row.names, [&](std::string_view name) {
      const Identity identity = spec_of(fmt::format("{}srcidtype {} x", kAdd, name)).src_identity.value();
      EXPECT_EQ(identity, (Identity{static_cast<pfkey::IdentityType>(row.number), "x"})) << name;
      EXPECT_EQ(written(identity), fmt::format("{} x", row.name()));
    });
  EXPECT_EQ(written(Identity{pfkey::IdentityType{77}, "x"}), "77 x");
}

TEST(PfkeyWords, States) {
  for (const pfkey::Word& row : pfkey::state_words())
    for (const std::string& word : {std::string(row.names), fmt::to_string(row.number)}) {
      Parser parser(testing::names());
      std::vector<Word> words;
      ASSERT_FALSE(split(word, words));
      ReadContext context{testing::names(), false, {}};
      const auto state = Syntax<pfkey::State>::read(words, context);
      ASSERT_TRUE(state) << word;
      EXPECT_EQ(*state, static_cast<pfkey::State>(row.number)) << word;
    }
}

TEST(PfkeyWords, Encapsulations) {
  for (const pfkey::Word& row : pfkey::encapsulation_words()) {
    const auto encap = spec_of(fmt::format("{}encap {} nat_lport 4500", kAdd, row.names)).encap.value();
    EXPECT_EQ(encap, static_cast<Encapsulation>(row.number));
    EXPECT_EQ(written(encap), row.names);
  }
}

TEST(PfkeyWords, KindsOfOffload) {
  for (const pfkey::Word& row : pfkey::offload_words()) {
    const auto offload = spec_of(fmt::format("{}offload {} eth0", kAdd, row.names)).offload.value();
    EXPECT_EQ(offload.mode, static_cast<pfkey::Offload::Mode>(row.number));
    EXPECT_EQ(written(offload), fmt::format("{} eth0", row.names));
    EXPECT_EQ(pfkey::name(offload.mode), row.names);
  }
}

TEST(PfkeyWords, SaTypes) {
  text::for_each_word(kSaTypeWords, [](std::string_view word) {
    const auto type = find_satype(word);
    ASSERT_TRUE(type) << word;
    EXPECT_EQ(pfkey::name(*type), word);
    EXPECT_EQ(satype_word(*type), word);
  });
}

// What help writes for a value whose words are few names them all.
TEST(PfkeyWords, HelpNamesThem) {
  EXPECT_EQ(Syntax<Encapsulation>::kMetavar,
            fmt::format("{}", fmt::join(pfkey::all_names(pfkey::encapsulation_words()), "|")));
  EXPECT_EQ(Syntax<pfkey::Offload>::kMetavar,
            fmt::format("{} DEVICE", fmt::join(pfkey::all_names(pfkey::offload_words()), "|")));
  const auto offered = [](std::string_view keyword) { return complete(fmt::format("add esp {} ", keyword)).words; };
  EXPECT_EQ(offered("state"), pfkey::all_names(pfkey::state_words()));
  EXPECT_EQ(offered("srcidtype"), pfkey::all_names(pfkey::identity_words()));
  EXPECT_EQ(offered("encap"), pfkey::all_names(pfkey::encapsulation_words()));
  EXPECT_EQ(offered("offload"), pfkey::all_names(pfkey::offload_words()));
}

}  // namespace
}  // namespace ipseckey::lang
