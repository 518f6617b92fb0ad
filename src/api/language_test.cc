#include "api/language.h"

#include <gmock/gmock.h>

#include <string>

#include "api/ipseckey.h"

namespace ipseckey {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kKey = "00112233445566778899aabbccddeeff";
const std::string kOne = "add esp spi 0x2112 src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey " + kKey +
                         " authalg sha256 authkey " + kKey + kKey + "\n";

Commands read(std::string_view text, Lookup lookup = Lookup::none) {
  auto commands = read_commands(text, lookup);
  EXPECT_TRUE(commands.has_value());
  return commands ? std::move(*commands) : Commands{};
}

std::string faults(const Commands& commands) {
  std::string all;
  for (const TextFault& f : commands.faults)
    all += std::to_string(f.line) + ":" + std::to_string(f.column) + f.pointer + (f.warning ? " warning: " : ": ") +
           f.message + "\n";
  return all;
}

std::string write(SaWriter::Format format, SaWriter::Keys keys, pfkey::Message&& sa) {
  auto writer = SaWriter::create(format, keys, "memory");
  EXPECT_TRUE(writer.has_value());
  const auto text = writer->write(std::move(sa));
  EXPECT_TRUE(text.has_value());
  return text ? std::string(*text) : std::string();
}

// The only SA of a SADB that has carried out the text.
pfkey::Message stored(std::string_view text) {
  auto sadb = Sadb::open("memory");
  EXPECT_TRUE(sadb.has_value());
  for (auto& request : read(text).requests) EXPECT_TRUE(sadb->ask(std::move(request.message)).has_value());
  pfkey::Message sa;
  EXPECT_TRUE(sadb->dump(pfkey::SaType::unspec, [&](pfkey::Message&& m) { sa = std::move(m); }).has_value());
  return sa;
}

TEST(ReadCommands, MakesARequestOfEachCommand) {
  const Commands commands = read("# two\n" + kOne + "\ndelete esp spi 0x2112 dst 192.0.2.2\n");
  EXPECT_TRUE(commands.ok());
  ASSERT_EQ(commands.requests.size(), 2u);
  EXPECT_EQ(commands.requests[0].line, 2u);
  EXPECT_EQ(commands.requests[0].message.type, pfkey::Type::add);
  EXPECT_EQ(commands.requests[0].message.sa->spi, 0x2112u);
  EXPECT_EQ(commands.requests[0].message.encrypt_key->bits, 128);
  EXPECT_EQ(commands.requests[1].line, 4u);
  EXPECT_EQ(commands.requests[1].message.type, pfkey::Type::del);
}

TEST(ReadCommands, SaysWhereEachFaultIsAndKeepsTheOtherCommands) {
  const Commands commands = read("add esp spi zero dst 192.0.2.2\n" + kOne + "ad esp\n");
  EXPECT_FALSE(commands.ok());
  EXPECT_EQ(commands.requests.size(), 1u);
  EXPECT_THAT(faults(commands), HasSubstr("1:13: "));
  EXPECT_THAT(faults(commands), HasSubstr("3:1: "));
}

TEST(ReadCommands, NeverShowsAKey) {
  const Commands commands =
      read("add esp spi 5 dst 192.0.2.2 encralg aes encrkey " + kKey + "7 authkey " + kKey + "zz\n");
  EXPECT_FALSE(commands.ok());
  const std::string shown = faults(commands);
  for (std::size_t at = 0; at + 6 <= kKey.size(); ++at) EXPECT_THAT(shown, Not(HasSubstr(kKey.substr(at, 6))));
}

TEST(ReadCommands, LooksNamesUpOnlyWhenTold) {
  const std::string line = "delete esp spi 5 dst localhost\n";
  EXPECT_THAT(faults(read(line)), HasSubstr("names are not looked up here"));
  EXPECT_TRUE(read("delete esp spi 5 dst ::1\n").ok());
  EXPECT_TRUE(read("add ah spi 5 dst 192.0.2.2 proto ospf authalg sha1 authkey " + kKey + "00112233\n").ok());
}

TEST(ReadCommands, RefusesWhatIsNotARequest) {
  for (const char* line : {"dump\n", "save all\n", "load x\n", "monitor\n", "help\n"}) {
    const Commands commands = read(line);
    EXPECT_FALSE(commands.ok()) << line;
    EXPECT_THAT(commands.requests, IsEmpty()) << line;
  }
}

TEST(ReadCommands, EndsAtQuitAndHidesWarningsBehindFresh) {
  const std::string gcm = "add esp spi 0x2112 dst 192.0.2.2 encralg aes-gcm encrkey " + kKey + "00112233\n";
  EXPECT_THAT(faults(read(gcm)), HasSubstr("warning: "));
  EXPECT_EQ(faults(read("fresh\n" + gcm)), "");
  EXPECT_EQ(read("quit\n" + gcm).requests.size(), 0u);
}

TEST(ReadCommands, EndsWithAFaultWhereTheTextCannotBeRead) {
  const Commands commands = read(kOne + std::string("a\0b", 3));
  EXPECT_FALSE(commands.ok());
  EXPECT_EQ(commands.requests.size(), 1u);
  EXPECT_THAT(faults(commands), StartsWith("0:0: line 2 "));
}

TEST(ReadCommands, ReadsJsonAndPointsAtTheMember) {
  const std::string json = write(SaWriter::Format::json, SaWriter::Keys::shown, stored(kOne));
  EXPECT_THAT(json, StartsWith("{"));
  const Commands commands = read(json);
  EXPECT_EQ(faults(commands), "");
  ASSERT_EQ(commands.requests.size(), 1u);
  EXPECT_EQ(commands.requests[0].message.encrypt_key, read(kOne).requests[0].message.encrypt_key);

  const Commands wrong = read(R"({"kind": "sa", "satype": "esp", "spi": "much"})");
  EXPECT_FALSE(wrong.ok());
  EXPECT_THAT(faults(wrong), HasSubstr("/spi"));
}

TEST(SaWriterTest, WritesWhatReadCommandsReads) {
  const std::string text = write(SaWriter::Format::commands, SaWriter::Keys::shown, stored(kOne));
  EXPECT_THAT(text, StartsWith("\nadd esp spi 0x2112"));
  const pfkey::Message again = stored(text);
  EXPECT_EQ(again.auth_key, stored(kOne).auth_key);
  EXPECT_EQ(again.dst, stored(kOne).dst);
}

TEST(SaWriterTest, HidesKeys) {
  for (const auto format : {SaWriter::Format::commands, SaWriter::Format::json}) {
    const std::string text = write(format, SaWriter::Keys::hidden, stored(kOne));
    EXPECT_THAT(text, HasSubstr("192.0.2.2"));
    EXPECT_THAT(text, Not(HasSubstr(kKey.substr(0, 8))));
  }
}

TEST(SaWriterTest, CountsWhatTheLanguageCannotSay) {
  auto writer = SaWriter::create(SaWriter::Format::commands, SaWriter::Keys::shown, "memory");
  EXPECT_THAT(std::string(writer->header()), StartsWith("#"));
  pfkey::Message sa = stored(kOne);
  sa.sa->auth = 255;  // An algorithm that has no name.
  EXPECT_THAT(std::string(*writer->write(std::move(sa))), StartsWith("\n# The esp SA spi 0x2112"));
  EXPECT_EQ(writer->left_out(), 1u);
}

TEST(Version, IsThatOfTheProject) { EXPECT_STREQ(version(), IPSECKEY_VERSION); }

}  // namespace
}  // namespace ipseckey
