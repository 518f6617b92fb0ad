// The tables of commands and keywords, and the help that is printed from them.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "lang/help.h"
#include "lang/keywords.h"

namespace ipseckey::lang {
namespace {

using testing::HasSubstr;

struct KeywordRow {
  std::string_view names, v6_names;
  Slot slot;
  Verbs used;
};

using S = SaSpec;
constexpr Verbs kAll = kWriters | kFinders;
constexpr Verbs kPairing = bit(Verb::add) | bit(Verb::update);

// What files may say and must stay: the extensions of the original and those that came first, each with all of its
// names and the commands that act on it. One that is added later needs no row here.
constexpr KeywordRow kExpected[] = {
    {"spi", "", &S::spi, kAll},
    {"pair-spi", "", &S::pair_spi, kPairing},
    {"icv", "", kPlain<&pfkey::Message::icv>, kWriters},
    {"tfcpad", "", kPlain<&pfkey::Message::tfc_pad>, kWriters},
    {"df", "", kPlain<&pfkey::Message::df>, kWriters},
    {"dscp", "", kPlain<&pfkey::Message::dscp>, kWriters},
    {"keepalive", "", kPlain<&pfkey::Message::keepalive>, kWriters},
    {"bundle", "", kPlain<&pfkey::Message::bundle>, kWriters},
    {"output-mark", "", &S::output_mark, kWriters},
    {"dev", "", &S::device, kWriters},
    {"replay", "", &S::replay, kWriters},
    {"replay_value", "", &S::replay_value, kWriters},
    {"state", "", &S::state, kWriters},
    {"auth_alg authalg", "", &S::auth, kWriters},
    {"encr_alg encralg", "", &S::encrypt, kWriters},
    {"inbound", "", &S::inbound, kAll},
    {"outbound", "", &S::outbound, kAll},
    {"encap", "", &S::encap, kWriters},
    {"soft_alloc soft_packets", "", &S::soft_alloc, kWriters},
    {"hard_alloc hard_packets", "", &S::hard_alloc, kWriters},
    {"soft_bytes", "", &S::soft_bytes, kWriters},
    {"hard_bytes", "", &S::hard_bytes, kWriters},
    {"soft_addtime", "", &S::soft_addtime, kWriters},
    {"hard_addtime", "", &S::hard_addtime, kWriters},
    {"soft_usetime", "", &S::soft_usetime, kWriters},
    {"hard_usetime", "", &S::hard_usetime, kWriters},
    {"idle_addtime", "", &S::idle_addtime, kWriters},
    {"idle_usetime", "", &S::idle_usetime, kWriters},
    {"src srcaddr saddr", "src6 srcaddr6 saddr6", &S::src, kAll},
    {"dst dstaddr daddr", "dst6 dstaddr6 daddr6", &S::dst, kAll},
    {"innersrc isrc proxyaddr proxy", "innersrc6 isrc6 proxyaddr6 proxy6", &S::inner_src, kWriters},
    {"innerdst idst", "innerdst6 idst6", &S::inner_dst, kWriters},
    {"sport", "", &S::sport, kAll},
    {"dport", "", &S::dport, kAll},
    {"innersport isport", "", &S::inner_sport, kWriters},
    {"innerdport idport", "", &S::inner_dport, kWriters},
    {"proto ulp", "", &S::proto, kAll},
    {"iproto iulp", "", &S::inner_proto, kWriters},
    {"icmp-type", "", &S::icmp_type, kWriters},
    {"icmp-code", "", &S::icmp_code, kWriters},
    {"nat_loc", "", &S::nat_local, kWriters},
    {"nat_rem", "", &S::nat_remote, kWriters},
    {"nat_lport", "", &S::nat_local_port, kWriters},
    {"nat_rport", "", &S::nat_remote_port, kWriters},
    {"authkey", "", &S::auth_key, kWriters},
    {"encrkey", "", &S::encrypt_key, kWriters},
    {"reserved_bits", "", &S::reserved_bits, kWriters},
    {"srcidtype", "", &S::src_identity, kWriters},
    {"dstidtype", "", &S::dst_identity, kWriters},
    {"label", "", &S::label, kWriters},
    {"outer-label", "", &S::outer_label, kWriters},
    {"implicit-label", "", &S::implicit_label, kWriters},
    {"reqid", "", kPlain<&pfkey::Message::reqid>, kWriters},
    {"mark", "", &S::mark, kAll},
    {"if_id", "", kPlain<&pfkey::Message::if_id>, kWriters},
    {"esn", "", &S::esn, kWriters},
    {"align8", "", &S::align8, kWriters},
    {"offload", "", &S::offload, kWriters},
    {"flags current_alloc current_bytes current_addtime current_usetime dpd sens_level sens_map integ_level integ_map",
     "", &S::unusable, 0},
};

TEST(Keywords, AreFoundByEveryName) {
  for (const KeywordRow& row : kExpected)
    for (const bool v6 : {false, true})
      text::for_each_word(v6 ? row.v6_names : row.names, [&](std::string_view name) {
        const auto match = find_keyword(name);
        ASSERT_NE(match.row, nullptr) << name;
        EXPECT_TRUE(match.row->slot == row.slot) << name;
        EXPECT_EQ(match.v6_only, v6) << name;
        EXPECT_EQ(match.row->used, row.used) << name;
      });
  for (const Keyword& row : keywords())
    for (const bool v6 : {false, true})
      text::for_each_word(v6 ? row.v6_names : row.names, [&](std::string_view name) {
        const auto match = find_keyword(name);
        EXPECT_EQ(match.row, &row) << name << " names two keywords";
        EXPECT_EQ(match.v6_only, v6) << name;
      });
}

TEST(Keywords, AreNotFoundByAnythingElse) {
  for (const std::string_view name :
       {"", "SPI", "Spi", "sp", "spii", "src ", "src srcaddr", "encap6", "nat_loc6", "dest"})
    EXPECT_EQ(find_keyword(name).row, nullptr) << name;
}

TEST(Keywords, AreRequiredToNameAnSa) {
  for (const Keyword& row : keywords()) {
    const bool names_it = row.slot == Slot(&S::spi) || row.slot == Slot(&S::dst);
    EXPECT_EQ(row.required, names_it ? kAll : 0) << row.name();
  }
}

TEST(Keywords, AreSecretOnlyIfTheyAreKeys) {
  for (const Keyword& row : keywords()) EXPECT_EQ(is_secret(row), metavar(row).starts_with("HEX")) << row.name();
  for (const std::string_view name : {"authkey", "encrkey"}) EXPECT_TRUE(is_secret(*find_keyword(name).row)) << name;
}

TEST(Keywords, SayHowManyWordsTheyTake) {
  for (const Keyword& row : keywords()) {
    std::size_t expected = 0;  // The number of lines for them in the help.
    text::for_each_word(metavar(row), [&](std::string_view) { ++expected; });
    EXPECT_EQ(value_words(row), expected) << row.name();
  }
}

struct CommandExpectation {
  std::string_view names;
  pfkey::Type message;
  SaTypeRule satype;
  bool shell, file;
};
using T = pfkey::Type;

// What the manual promises of these; a command that is added later needs no row here.
constexpr CommandExpectation kCommands[] = {
    {"add", T::add, SaTypeRule::specific, false, true},
    {"update", T::update, SaTypeRule::specific, false, true},
    {"update-pair", T::x_updatepair, SaTypeRule::specific, false, true},
    {"delete", T::del, SaTypeRule::specific, true, true},
    {"delete-pair", T::x_delpair, SaTypeRule::specific, true, true},
    {"get", T::get, SaTypeRule::specific, true, true},
    {"flush", T::flush, SaTypeRule::optional, true, true},
    {"dump", T::dump, SaTypeRule::optional, true, false},
    {"save", T::dump, SaTypeRule::required, true, false},
    {"load", T::reserved, SaTypeRule::none, true, false},
    {"apply", T::reserved, SaTypeRule::none, true, false},
    {"unload", T::reserved, SaTypeRule::none, true, false},
    {"monitor", T::x_promisc, SaTypeRule::none, true, false},
    {"passive_monitor pmonitor", T::reserved, SaTypeRule::none, true, false},
    {"doctor", T::reserved, SaTypeRule::none, true, false},
    {"genkey", T::reserved, SaTypeRule::none, true, false},
    {"fresh", T::reserved, SaTypeRule::none, false, true},
    {"help ?", T::reserved, SaTypeRule::none, true, false},
    {"quit exit", T::reserved, SaTypeRule::none, true, true},
};

TEST(Commands, AreFoundByEveryName) {
  for (const CommandExpectation& expected : kCommands)
    text::for_each_word(expected.names, [&](std::string_view name) {
      const CommandRow* row = find_command(name);
      ASSERT_NE(row, nullptr) << name;
      EXPECT_EQ(row, &lang::row(row->verb)) << name;
      EXPECT_EQ(row->message, expected.message) << name;
      EXPECT_EQ(row->satype, expected.satype) << name;
      EXPECT_EQ(row->allowed_from(Where::shell), expected.shell) << name;
      EXPECT_EQ(row->allowed_from(Where::file), expected.file) << name;
      EXPECT_TRUE(row->allowed_from(Where::prompt)) << name;
    });
  for (const CommandRow& row : commands())
    text::for_each_word(row.names, [&](std::string_view name) {
      EXPECT_EQ(find_command(name), &row) << name << " names two commands";
      EXPECT_EQ(&lang::row(row.verb), &row) << name;
      EXPECT_TRUE(row.allowed_from(Where::prompt)) << name;
    });
  for (const std::string_view name : {"", "Add", "ad", "del", "add ", "update_pair", "reload"})
    EXPECT_EQ(find_command(name), nullptr) << name;
}

// Every user of the machine sees the words of a process; a file changes SAs and shows nothing of others.
TEST(Commands, TakeKeysFromNoShellAndShowNothingFromAFile) {
  for (const CommandRow& row : commands()) {
    const bool may_bring_keys = std::ranges::any_of(
        keywords(), [&](const Keyword& keyword) { return is_secret(keyword) && (keyword.used & bit(row.verb)) != 0; });
    EXPECT_FALSE(may_bring_keys && row.allowed_from(Where::shell)) << row.name();
    EXPECT_FALSE(row.message == T::dump && row.allowed_from(Where::file)) << row.name();
  }
}

TEST(Commands, KnowSaTypesInAnyCase) {
  for (const std::string_view word : {"esp", "ESP", "Esp"}) EXPECT_EQ(find_satype(word), pfkey::SaType::esp);
  for (const std::string_view word : {"ah", "AH", "aH"}) EXPECT_EQ(find_satype(word), pfkey::SaType::ah);
  for (const std::string_view word : {"all", "ALL"}) EXPECT_EQ(find_satype(word), pfkey::SaType::unspec);
  for (const std::string_view word : {"", "es", "espx", "3", "0"}) EXPECT_EQ(find_satype(word), std::nullopt) << word;
  for (const auto type : {pfkey::SaType::esp, pfkey::SaType::ah, pfkey::SaType::unspec})
    EXPECT_EQ(find_satype(satype_word(type)), type);
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0, begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i)
    if (i == text.size() || text[i] == '\n') longest = std::max(longest, i - begin), begin = i + 1;
  return longest;
}

std::string joined(std::string_view names) {
  std::string out;
  text::for_each_word(names, [&](std::string_view name) { out += out.empty() ? "" : ", ", out += name; });
  return out;
}

// The text with every run of white space as one blank: where lines break does not matter.
std::string flowing(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\n') {
      out += c;
    } else if (!out.ends_with(' ')) {
      out += ' ';
    }
  return out;
}

TEST(Help, ListsEveryCommand) {
  const std::string help = help_overview();
  for (const CommandRow& row : commands()) {
    EXPECT_THAT(help, HasSubstr("\n  " + joined(row.names)));
    EXPECT_THAT(flowing(help), HasSubstr(flowing(row.help)));
    EXPECT_THAT(flowing(help), HasSubstr(flowing(row.arguments)));
  }
  EXPECT_LE(longest_line(help), 80u);
}

TEST(Help, ShowsWhatEachCommandTakes) {
  for (const CommandRow& command : commands())
    text::for_each_word(command.names, [&](std::string_view name) {
      const std::string help = help_topic(name);
      EXPECT_THAT(flowing(help), HasSubstr(flowing(command.help))) << name;
      EXPECT_LE(longest_line(help), 80u) << name;
      text::for_each_word(command.options, [&](std::string_view option) {  // A sentence has no bracket before it.
        EXPECT_THAT(flowing(help), HasSubstr(' ' + std::string(option))) << name;
      });
      if (command.operands != Operands::extensions) return;
      EXPECT_THAT(help, HasSubstr("It needs spi and dst.")) << name;
      for (const Keyword& keyword : keywords())
        EXPECT_EQ(flowing(help).find(flowing(keyword.help)) != std::string::npos,
                  (keyword.used & bit(command.verb)) != 0)
            << name << ' ' << keyword.name();
    });
  EXPECT_EQ(help_topic("flush"),
            "flush [all|ah|esp]\n    Delete all SAs, or all of one type.\n    At the prompt, in files and from the "
            "shell.\n");
}

TEST(Help, ListsEveryExtension) {
  const std::string help = help_topic("attr");
  for (const Keyword& row : keywords()) {
    if (row.used == 0) continue;
    for_each_name(row, [&](std::string_view name) { EXPECT_THAT(flowing(help), HasSubstr(' ' + std::string(name))); });
    EXPECT_THAT(flowing(help), HasSubstr(flowing(row.help)));
  }
  EXPECT_LE(longest_line(help), 80u);
}

TEST(Help, ShowsOneExtensionUnderAnyName) {
  const std::string expected =
      "  dst, dstaddr, daddr, dst6, dstaddr6, daddr6  ADDRESS|NAME\n        Destination address of the SA.\n";
  EXPECT_EQ(help_topic("dst"), expected);
  EXPECT_EQ(help_topic("daddr6"), expected);
}

TEST(Help, IsEmptyForAnUnknownTopic) {
  for (const std::string_view topic : {"", "dest", "ADD", "flags", "esp"}) EXPECT_EQ(help_topic(topic), "") << topic;
}

}  // namespace
}  // namespace ipseckey::lang
