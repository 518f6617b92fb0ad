#include "lang/json_commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/text.h"
#include "lang/json_places.h"
#include "lang/lines.h"
#include "lang/parse.h"
#include "lang/testing.h"
#include "pfkey/json_read.h"

namespace ipseckey::lang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Source::Fill bytes(std::string_view file, std::size_t piece = 4096) {
  return [file, piece](MutableBytes room) mutable -> Result<std::size_t> {
    const std::size_t n = std::min({piece, room.size(), file.size()});
    std::ranges::copy(std::as_bytes(std::span(file.substr(0, n))), room.begin());
    file.remove_prefix(n);
    return n;
  };
}

// "LINE: text" of each command, "LINE: POINTER: message" of each fault; ignored objects are not listed.
std::vector<std::string> commands_of(std::string_view file, std::size_t piece = 4096) {
  const auto source = open_source(bytes(file, piece)).value();
  std::vector<std::string> out;
  for (auto line = source->next(); line && *line; line = source->next()) {
    if ((*line)->kind == Line::Kind::command)
      out.push_back(fmt::format("{}: {}", (*line)->number, source->text(**line)));
    for (const SourceFault& f : source->faults())
      out.push_back(fmt::format("{}: {}: {}{}", f.place.line, f.place.pointer, f.message, f.detail));
    source->release(**line);
  }
  return out;
}

constexpr std::string_view kMinimal =
    R"({"satype":"esp","spi":8466,"dst":{"address":"192.0.2.2"},"encr_alg":{"name":"aes-gcm"},"encr_key":{"hex":"0011"}})";
constexpr std::string_view kMinimalText = "add esp spi 0x2112 dst 192.0.2.2 encr_alg aes-gcm encrkey 0011/16";

TEST(JsonCommands, AnObjectIsACommand) {
  EXPECT_THAT(commands_of(kMinimal), ElementsAre("1: " + std::string(kMinimalText)));
}

TEST(JsonCommands, AFileIsAStreamOrAnArrayOrBoth) {
  const std::string one(kMinimal), text(kMinimalText);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    EXPECT_THAT(commands_of(one + "\n" + one + "\n", piece), ElementsAre("1: " + text, "2: " + text));
    EXPECT_THAT(commands_of(one + one, piece), ElementsAre("1: " + text, "1: " + text));
    EXPECT_THAT(commands_of("\xef\xbb\xbf\n [" + one + ",\n" + one + "] " + one + "[]\n", piece),
                ElementsAre("2: " + text, "3: " + text, "3: " + text));
  }
}

TEST(JsonCommands, TheFirstCharacterDecides) {
  EXPECT_THAT(commands_of("# {\nflush\n"), ElementsAre("2: flush"));
  EXPECT_THAT(commands_of(""), ElementsAre());
  EXPECT_THAT(commands_of(" \n\t"), ElementsAre());
  EXPECT_THAT(commands_of(std::string(70'000, '\n') + "flush\n"), ElementsAre("70001: flush"));
  EXPECT_THAT(commands_of("\n\n  [ ]"), ElementsAre());
}

TEST(JsonCommands, ObjectsOfSeveralLinesHaveLineNumbers) {
  EXPECT_THAT(
      commands_of(R"([
  {
    "satype": "esp",
    "spi": 1,
    "dst": {"address": "192.0.2.2"},
    "hard": {
      "bytes": "1",
      "byte": 1
    }
  }
])"),
      ElementsAre("7: /0/hard/bytes: a whole number from 0 to 18446744073709551615 is expected here, without quotes",
                  "8: /0/hard: unknown member \"byte\"; did you mean bytes?"));
}

TEST(JsonCommands, OtherReportsAreIgnored) {
  EXPECT_THAT(commands_of(R"({"kind":"count","total":1}{"kind":"check"}{"kind":"load"}{"kind":"plan"}{"kind":"apply"})"
                          R"({"kind":"doctor"})"),
              ElementsAre());
  for (const std::string_view kind : {"message", "gap", "sas"})
    EXPECT_THAT(commands_of(fmt::format(R"({{"kind": "{}"}})", kind)),
                ElementsAre("1: /kind: an object of this kind cannot be loaded; get and dump print kind \"sa\""));
}

TEST(JsonCommands, AReportIsOneOrAFault) {
  EXPECT_THAT(commands_of(R"({"kind":"plan","action":"add","spi":1}{"kind":"plan","action":"change","spi":1})"),
              ElementsAre());
  constexpr std::string_view
      kTwice = "1: : a member of this object appears twice; remove one",
      kCommand = "1: /action: objects of this kind are ignored, but this one is a command: remove \"kind\"",
      kSa = "1: /spi: objects of this kind are ignored, but this one names an SA: remove \"kind\"";
  EXPECT_THAT(commands_of(R"({"kind":"count","action":"flush","garbage":"x","kind":"sa"})"), ElementsAre(kTwice));
  EXPECT_THAT(commands_of(R"({"kind":"count","deadbeef":1,"deadbeef":2})"), ElementsAre(kTwice));
  EXPECT_THAT(commands_of(R"({"kind":"count","action":"flush"})"), ElementsAre(kCommand));
  EXPECT_THAT(commands_of(R"({"kind":"plan","action":"flush"})"), ElementsAre(kCommand));
  EXPECT_THAT(commands_of(R"({"kind":"load","spi":1})"), ElementsAre(kSa));
}

// Nothing that is written is lost or becomes another value.
TEST(JsonCommands, AValueThatNoCommandCanExpressIsAFault) {
  const auto with = [](std::string_view member) {
    return commands_of(fmt::format(R"({{"satype":"ah","spi":1,"dst":{{"address":"192.0.2.2"}},{}}})", member));
  };
  struct Case {
    std::string_view member, pointer;
  };
  for (const Case& c : {
           Case{R"("ah_align":7)", "/ah_align"},
           Case{R"("pair":{"spi":0})", "/pair/spi"},
           Case{R"("src_identity":{"type":"fqdn","text":"x","id":7})", "/src_identity/id"},
           Case{R"("dst_identity":{"type":"fqdn","text":"x","id":7})", "/dst_identity/id"},
           Case{R"("label":{"level":1,"domain":2})", "/label/domain"},
           Case{R"("label":{"level":1,"integrity":3})", "/label/integrity"},
           Case{R"("label":{"level":1,"flags":1})", "/label/flags"},
           Case{R"("outer_label":{"level":1,"integrity_compartments":[1]})", "/outer_label/integrity_compartments"},
       })
    EXPECT_THAT(with(c.member),
                ElementsAre(fmt::format(
                    "1: {}: no command can set this value; without it the SA can be added, but it is a different SA",
                    c.pointer)));
  for (const std::string_view action : {"add", "update"})
    for (const Case& c : {Case{R"("keepalive":4294967295)", "/keepalive: a whole number from 1 to 65535 is"},
                          Case{R"("keepalive":65536)", "/keepalive: a whole number from 1 to 65535 is"},
                          Case{R"("tfcpad":70000)", "/tfcpad: a whole number from 1 to 65535 is"},
                          Case{R"("icv_bits":70000)", "/icv_bits: a whole number from 0 to 65535 is"},
                          Case{R"("df":3)", "/df: \"copy\", \"set\" or \"clear\" is"},
                          Case{R"("dscp":66)", "/dscp: a whole number from 0 to 63, \"copy\" or \"keep\" is"}})
      EXPECT_THAT(with(fmt::format(R"("action":"{}",{})", action, c.member)),
                  ElementsAre(fmt::format("1: {} expected here", c.pointer)));
  EXPECT_THAT(
      with(R"("action":"update","ah_align":7)"),
      ElementsAre("1: /ah_align: no command can set this value; without it the SA can be updated, but this value "
                  "is not set"));
  constexpr std::string_view kSa = "1: add ah spi 0x1 dst 192.0.2.2";
  EXPECT_THAT(with(R"("ah_align":4)"), ElementsAre(kSa));
  EXPECT_THAT(with(R"("ah_align":8)"), ElementsAre(fmt::format("{} align8", kSa)));
  EXPECT_THAT(with(R"("keepalive":65535)"), ElementsAre(fmt::format("{} keepalive 65535", kSa)));
  EXPECT_THAT(with(R"("keepalive":0)"), ElementsAre(fmt::format("{} keepalive 0", kSa)));
  EXPECT_THAT(with(R"("reqid":4294967295)"), ElementsAre(fmt::format("{} reqid 4294967295", kSa)));
  EXPECT_THAT(with(R"("action":"delete","keepalive":65536)"), ElementsAre("1: delete ah spi 0x1 dst 192.0.2.2"));
}

TEST(JsonCommands, TheKnownSaTypesAreListed) {
  EXPECT_THAT(commands_of(R"({"satype":"ospf-x","spi":1})"),
              ElementsAre("1: /satype: unknown word \"ospf-x\"; expected ah or esp"));
  EXPECT_THAT(commands_of(R"({"satype":"epsx","spi":1})"),
              ElementsAre("1: /satype: unknown word \"epsx\"; expected ah or esp"));
}

TEST(JsonCommands, OfManyFaultsTheFirstAreReported) {
  std::string object = "{\"spi\": 1";
  for (int i = 0; i < 30; ++i) object += fmt::format(", \"x{}y\": 1", i);
  const auto said = commands_of(object + "}");
  ASSERT_EQ(said.size(), 21u);
  EXPECT_THAT(said[19], HasSubstr("\"x19y\""));
  EXPECT_EQ(said[20], "1: : 11 more errors in this object");  // No "satype", too.
}

TEST(JsonCommands, AnActionIsACommandAndUsesWhatItNeeds) {
  const auto with = [](std::string_view action) {
    return commands_of(fmt::format(R"({{"action":"{}","satype":"ah","spi":1,"src":{{"address":"192.0.2.1"}},)"
                                   R"("dst":{{"address":"192.0.2.2"}},"hard":{{"bytes":9}},"pair":{{"spi":2}}}})",
                                   action));
  };
  EXPECT_THAT(with("update"),
              ElementsAre("1: update ah spi 0x1 pair-spi 0x2 src 192.0.2.1 dst 192.0.2.2 hard_bytes 9"));
  EXPECT_THAT(with("update-pair"), ElementsAre("1: update-pair ah spi 0x1 src 192.0.2.1 dst 192.0.2.2 hard_bytes 9"));
  EXPECT_THAT(with("delete"), ElementsAre("1: delete ah spi 0x1 src 192.0.2.1 dst 192.0.2.2"));
  EXPECT_THAT(with("delete-pair"), ElementsAre("1: delete-pair ah spi 0x1 src 192.0.2.1 dst 192.0.2.2"));
  EXPECT_THAT(with("get"), ElementsAre("1: get ah spi 0x1 src 192.0.2.1 dst 192.0.2.2"));
  EXPECT_THAT(commands_of(R"({"action":"flush"})"), ElementsAre("1: flush all"));
  EXPECT_THAT(commands_of(R"({"kind":"sa","sadb":"x","satype":"ah","action":"flush"})"), ElementsAre("1: flush ah"));
  EXPECT_THAT(
      with("flush"),
      ElementsAre(
          "1: /spi: flush deletes all SAs of a type and takes only \"satype\"; remove this member, or use \"delete\""));
  EXPECT_THAT(commands_of(R"({"action":"flush","hard":{"bytes":1}})"), ElementsAre(HasSubstr("1: /hard: flush ")));
  EXPECT_THAT(with("remove"), ElementsAre("1: /action: unknown action \"remove\"; expected add, update, update-pair, "
                                          "delete, delete-pair, get or flush"));
  EXPECT_THAT(with("save"), ElementsAre(HasSubstr("/action: unknown action \"save\"")));
}

TEST(JsonCommands, AnObjectThatIsNotAnSaToAddIsReported) {
  EXPECT_THAT(commands_of(R"({"spi":1})"), ElementsAre("1: : \"satype\" is missing; expected \"ah\" or \"esp\""));
  EXPECT_THAT(commands_of(R"({"satype":"ah","spi":1,"state":"larval"})"),
              ElementsAre("1: /state: a larval SA has no keys yet: it is skipped"));
  EXPECT_THAT(commands_of(R"({"satype":"ah","spi":1,"remark":"x"})"),
              ElementsAre("1: /remark: this describes a property that no command can set; without this member the SA "
                          "can be added, but it is a different SA"));
}

std::string paired(unsigned spi, unsigned other, std::string_view src, std::string_view dst) {
  return fmt::format(
             R"({{"satype":"ah","spi":{},"src":{{"address":"{}"}},"dst":{{"address":"{}"}},"pair":{{"spi":{}}}}})", spi,
             src, dst, other) +
         "\n";
}

TEST(JsonCommands, OfAPairTheSecondNamesTheFirst) {
  EXPECT_THAT(commands_of(paired(1, 2, "192.0.2.1", "192.0.2.2") + paired(2, 1, "192.0.2.2", "192.0.2.1")),
              ElementsAre("1: add ah spi 0x1 src 192.0.2.1 dst 192.0.2.2",
                          "2: add ah spi 0x2 pair-spi 0x1 src 192.0.2.2 dst 192.0.2.1"));
}

TEST(JsonCommands, APartnerThatWasAddedIsNamedAtOnce) {
  constexpr std::string_view kFirst = "192.0.2.1", kSecond = "192.0.2.2";
  const std::string alone = R"({"satype":"ah","spi":300,"src":{"address":"192.0.2.2"},"dst":{"address":"192.0.2.1"}})"
                            "\n";
  EXPECT_THAT(commands_of(alone + paired(256, 300, kFirst, kSecond) + paired(257, 256, kSecond, kFirst)),
              ElementsAre("1: add ah spi 0x12c src 192.0.2.2 dst 192.0.2.1",
                          "2: add ah spi 0x100 pair-spi 0x12c src 192.0.2.1 dst 192.0.2.2",
                          "3: add ah spi 0x101 pair-spi 0x100 src 192.0.2.2 dst 192.0.2.1"));
}

// An SA keeps its pair even if a third one names it.
TEST(JsonCommands, AnEntryIsDoneWithByTheOneThatItNames) {
  constexpr std::string_view kFirst = "192.0.2.1", kSecond = "192.0.2.2";
  EXPECT_THAT(commands_of(paired(256, 300, kFirst, kSecond) + paired(257, 256, kSecond, kFirst)),
              ElementsAre("1: add ah spi 0x100 src 192.0.2.1 dst 192.0.2.2",
                          "2: add ah spi 0x101 pair-spi 0x100 src 192.0.2.2 dst 192.0.2.1",
                          "1: update ah spi 0x100 pair-spi 0x12c src 192.0.2.1 dst 192.0.2.2"));
}

TEST(JsonCommands, APartnerThatIsNotInTheFileIsPairedAtItsEnd) {
  const std::string file = paired(1, 2, "192.0.2.1", "192.0.2.2") + paired(3, 4, "192.0.2.1", "192.0.2.2");
  EXPECT_THAT(commands_of(file), ElementsAre("1: add ah spi 0x1 src 192.0.2.1 dst 192.0.2.2",
                                             "2: add ah spi 0x3 src 192.0.2.1 dst 192.0.2.2",
                                             "1: update ah spi 0x1 pair-spi 0x2 src 192.0.2.1 dst 192.0.2.2",
                                             "2: update ah spi 0x3 pair-spi 0x4 src 192.0.2.1 dst 192.0.2.2"));
  const auto source = open_source(bytes(file)).value();
  std::vector<std::string> places;
  for (auto line = source->next(); line && *line; line = source->next()) {
    const auto place = source->place(**line, 0);
    places.push_back(fmt::format("{}:{}", place->line, place->pointer));
  }
  EXPECT_THAT(places, ElementsAre("1:", "2:", "1:/pair/spi", "2:/pair/spi"));
}

TEST(JsonCommands, TextThatIsNotJsonButHasAnEndIsSkipped) {
  const std::string good = "\n" + std::string(kMinimal), text = ": " + std::string(kMinimalText);
  EXPECT_THAT(
      commands_of("{\"spi\" 1}" + good),
      ElementsAre("1: : this is not JSON: a colon is expected here, between a name and its value: character 8 of the "
                  "object",
                  "2" + text));
  EXPECT_THAT(
      commands_of("{\n\"spi\": 1,\n\"spi\" 2}" + good),
      ElementsAre("3: : this is not JSON: a colon is expected here, between a name and its value: character 7 of the "
                  "line",
                  "4" + text));
}

// Only a line break shows that a string has no end.
TEST(JsonCommands, AControlCharacterInAStringIsAFaultOfItsObject) {
  using namespace std::string_literals;
  const std::string good = "\n" + std::string(kMinimal), text = std::string(kMinimalText);
  struct Case {
    std::string character;
    std::string_view fault;
  };
  for (const Case& c : {Case{"\t", "this string contains a tab; write \\t instead"},
                        Case{"\0"s, "this string contains a control character; remove it, or write it as \\u00XX"},
                        Case{"\x1b", "this string contains a control character; remove it, or write it as \\u00XX"},
                        Case{"\r",
                             "control character in a string; close the string on its line, and write \\n for a "
                             "line break"}})
    for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}}) {
      EXPECT_THAT(
          commands_of("{\n\"satype\":\"e" + c.character + "sp\"}" + good, piece),
          ElementsAre(fmt::format("2: : this is not JSON: {}: character 12 of the line", c.fault), "3: " + text));
      EXPECT_THAT(
          commands_of("[{\"sa" + c.character + "type\":1}," + good + "]", piece),
          ElementsAre(fmt::format("1: /0: this is not JSON: {}: character 5 of the object", c.fault), "2: " + text));
    }
}

// What follows may be a part of it.
TEST(JsonCommands, NothingIsReadAfterAnObjectWithoutAnEnd) {
  const std::string good = std::string(kMinimal) + "\n", text = "1: " + std::string(kMinimalText);
  struct Case {
    std::string_view broken, fault;
  };
  for (const Case& c : {
           Case{"{\"spi\": {", ": the object has no end before another one begins: } is missing"},
           Case{"{\"spi: 1}", ": a string of the object has no end on its line: a quotation mark is missing"},
           Case{"{\"x\":\"unterminated\n\"auth_key\":",
                ": a string of the object has no end on its line: a quotation mark is missing"},
           Case{"x", ": an object is expected here, or an array of objects"},
           Case{"]", ": an object is expected here, or an array of objects"},
           Case{"[1,", ": an object is expected here, as an element of the array"},
           Case{"[{\"spi\":{", "/0: the object has no end before another one begins: } is missing"},
       }) {
    const std::string file = good + std::string(c.broken);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}}) {
      EXPECT_THAT(commands_of(file + "\n{\"action\":\"flush\"}\n}\n" + good, piece),
                  ElementsAre(text, fmt::format("2: {}; the rest was not read", c.fault)))
          << file;
    }
  }
  EXPECT_THAT(
      commands_of("[" + good + good + "]"),
      ElementsAre(text, "2: : a comma or ] is expected here, after an element of the array; the rest was not read"));
  EXPECT_THAT(commands_of("{\"sadb\": \"" + std::string(1 << 20, 'x') + "\"}" + good),
              ElementsAre("1: : the object is longer than 1048576 bytes; the rest was not read"));
  EXPECT_THAT(commands_of("{\"spi\": 1"), ElementsAre("1: : the object has no end: } is missing"));
  EXPECT_THAT(commands_of("[" + good), ElementsAre(text, "2: : the array has no end: ] is missing"));
}

// What is skipped behind a command that the caller still keeps, and asks about.
TEST(JsonCommands, WhatIsSkippedTakesLittleMemory) {
  std::string arrays;
  while (arrays.size() < 1 << 16) arrays += "[] ";
  const std::string blanks(1 << 16, ' '), digits(1 << 16, '1');
  struct Case {
    std::string_view first, skipped, fault;
  };
  for (const Case& c :
       {Case{"", blanks, ""}, Case{"", arrays, ""},
        Case{"x", blanks, "2: : an object is expected here, or an array of objects; the rest was not read"},
        Case{"{\"a\":\"", digits, "2: : the object is longer than 1048576 bytes; the rest was not read"},
        Case{"{\"a\":[", blanks, "2: : the object is longer than 1048576 bytes; the rest was not read"}}) {
    std::size_t given = 0, most_room = 0;
    const std::string start = std::string(kMinimal) + "\n" + std::string(c.first);
    const auto source = open_source([&](MutableBytes room) -> Result<std::size_t> {
                          most_room = std::max(most_room, room.size());
                          const std::string_view piece = given == 0 ? start : given < 20 << 20 ? c.skipped : "";
                          given += piece.size();
                          std::ranges::copy(std::as_bytes(std::span(piece)), room.begin());
                          return piece.size();
                        }).value();
    auto line = source->next();
    ASSERT_TRUE(line && *line);
    const Line kept = **line;
    std::string faults;
    for (line = source->next(); line && *line; line = source->next()) {
      EXPECT_EQ(source->text(kept), kMinimalText);
      EXPECT_EQ(source->place(kept, 8)->pointer, "/spi");
      for (const SourceFault& f : source->faults())
        faults += fmt::format("{}: {}: {}{}", f.place.line, f.place.pointer, f.message, f.detail);
      if ((*line)->kind == Line::Kind::nothing) break;
    }
    for (; line && *line; line = source->next()) source->release(**line);
    EXPECT_TRUE(line);
    EXPECT_EQ(faults, c.fault);
    EXPECT_LE(most_room, 4 * Source::kLongest);
  }
}

TEST(JsonCommands, OfABrokenFileNothingIsPairedAtItsEnd) {
  EXPECT_THAT(commands_of(paired(1, 2, "192.0.2.1", "192.0.2.2") + "{\"spi\": 1"),
              ElementsAre("1: add ah spi 0x1 src 192.0.2.1 dst 192.0.2.2", "2: : the object has no end: } is missing"));
}

TEST(JsonCommands, AWordThatMayBeAKeyIsNotShown) {
  for (const std::string_view secret :
       {"00112233445566778899aabbccddeeff", "deadbeef", "cafe", "1234", "\\u0041", "key of mine"}) {
    for (const std::string_view form : {R"({{"satype":"ah","{}":1}})", R"({{"satype":"ah","state":"{}"}})",
                                        R"({{"satype":"ah","src":{{"address":"{}"}}}})", R"({{"action":"{}"}})",
                                        R"({{"satype":"{}"}})", R"({{"kind":"{}"}})", R"({{"satype":"ah","spi":"{}"}})",
                                        R"({{"satype":"ah","auth_key":"{}"}})", R"({{"satype":"ah","{}"}})"}) {
      const auto out = commands_of(fmt::format(fmt::runtime(form), secret));
      ASSERT_EQ(out.size(), 1u) << form;
      EXPECT_EQ(out[0].find(secret), std::string::npos) << out[0];
    }
  }
}

// A stream is as long as it likes; what is held is what was not released.
TEST(JsonCommands, HoldsOnlyTheRequestedText) {
  std::size_t left = 200'000;
  const std::string object = std::string(kMinimal) + "\n";
  std::size_t given = 0;
  JsonCommands source([&](MutableBytes room) -> Result<std::size_t> {
    EXPECT_LE(room.size(), std::size_t{1} << 20);
    std::size_t n = 0;
    for (; left > 0 && room.size() - n >= object.size(); --left, n += object.size())
      std::ranges::copy(std::as_bytes(std::span(object)), room.begin() + static_cast<std::ptrdiff_t>(n));
    return n;
  });
  for (auto line = source.next(); line && *line; line = source.next()) {
    ++given;
    source.release(**line);
  }
  EXPECT_EQ(given, 200'000u);
}

// The members that each place names can be in an object.
TEST(JsonPlaces, EveryKeywordHasOne) {
  for (const Keyword& row : keywords()) {
    if ((row.used & bit(Verb::add)) == 0) continue;
    const std::string places = json_places(row);
    EXPECT_FALSE(places.empty()) << row.name();
    text::for_each_word(places, [&](std::string_view pointer) {
      ASSERT_EQ(pointer[0], '/');
      const auto slash = pointer.find('/', 1);
      const std::string_view member = pointer.substr(1, slash - 1);
      const std::string value =
          slash == std::string_view::npos ? "0" : fmt::format(R"({{"{}": 0}})", pointer.substr(slash + 1));
      const std::string object = fmt::format(R"({{"{}": {}}})", member, value);
      JsonTree tree;
      ASSERT_FALSE(tree.parse(object));
      pfkey::Message m;
      std::vector<pfkey::JsonFault> faults;
      pfkey::read_json_sa(tree, {}, m, faults);
      for (const pfkey::JsonFault& f : faults) EXPECT_FALSE(f.stranger) << object;
    });
  }
}

TEST(JsonPlaces, AFaultOfTheCommandIsAtTheMember) {
  const std::string file = R"({
"action": "add",
"satype": "esp",
"spi": 1,
"dst": {"address": "192.0.2.2"},
"encr_alg": {"name": "aes"},
"encr_key": {"hex": "0011"},
"soft": {"bytes": 9},
"hard": {
"bytes": 5}
})";
  const auto source = open_source(bytes(file)).value();
  const auto line = source->next();
  ASSERT_TRUE(line && *line);
  const std::string_view text = source->text(**line);
  const auto place = [&](std::string_view word) {
    const auto at = source->place(**line, static_cast<std::uint32_t>(text.find(word))).value();
    return fmt::format("{}:{}", at.line, at.pointer);
  };
  EXPECT_EQ(place("add"), "2:/action");
  EXPECT_EQ(place("esp"), "3:/satype");
  EXPECT_EQ(place("0x1"), "4:/spi");
  EXPECT_EQ(place("encrkey"), "7:/encr_key");
  EXPECT_EQ(place("soft_bytes"), "8:/soft/bytes");
  EXPECT_EQ(place("hard_bytes"), "10:/hard/bytes");
}

}  // namespace
}  // namespace ipseckey::lang
