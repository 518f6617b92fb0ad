#include "pfkey/json_read.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "pfkey/extensions.h"
#include "pfkey/json.h"
#include "pfkey/test_samples.h"

namespace ipseckey::pfkey {
namespace {

using testing::ElementsAre;

struct Read {
  Message m;
  std::vector<std::string> faults;  // "POINTER: message", "(word)" behind it.
};

Read read(std::string_view text) {
  JsonTree tree;
  EXPECT_FALSE(tree.parse(text)) << text;
  std::vector<JsonFault> faults;
  Read out;
  read_json_sa(tree, {}, out.m, faults);
  for (const JsonFault& f : faults)
    out.faults.push_back(
        fmt::format("{}: {}{}", tree.pointer(*f.where), f.message, f.word.empty() ? "" : fmt::format(" ({})", f.word)));
  return out;
}

std::vector<std::string> faults(std::string_view text) { return read(text).faults; }

std::string written(const Message& m) {
  SecretText out;
  JsonOptions options;
  options.sadb = "memory";
  json_sa(m, options, out);
  return std::string(out);
}

// Everything that an SA can have, as a DUMP shows it: what is of other messages is not there.
Message all_of_an_sa() {
  Message m = samples::everything();
  m.type = Type::get, m.seq = m.pid = 0, m.error = 0, m.diagnostic = 0;
  m.proposal.reset(), m.extended_proposal.reset(), m.supported_auth.reset(), m.supported_encrypt.reset();
  m.extended_register.reset(), m.extended_dump.reset();
  m.sa->replay = UINT8_MAX;  // Beside a window of 1024.
  m.natt_remote->proto = m.natt_local->proto = kProtoUdp;
  return m;
}

TEST(JsonRead, ReturnsWhatWasWritten) {
  for (const auto& make : {samples::tunnel_sa, all_of_an_sa}) {
    Message m = make();
    m.seq = m.pid = 0;
    const Read back = read(written(m));
    EXPECT_THAT(back.faults, ElementsAre());
    EXPECT_EQ(written(back.m), written(m));
    EXPECT_TRUE(back.m == m) << written(m);
  }
}

TEST(JsonRead, OctetsAreRestoredFromHexadecimal) {
  Message m = samples::tunnel_sa();
  m.seq = m.pid = 0;
  m.src_identity = Identity{IdentityType::x_dn, 0, "a\xff\\\"\n"};
  const Read back = read(written(m));
  EXPECT_THAT(back.faults, ElementsAre());
  EXPECT_TRUE(back.m == m);
}

TEST(JsonRead, OmittedMembersAreOptional) {
  const Read back =
      read(R"({"satype": "esp", "spi": 1, "dst": {"address": "::ffff:192.0.2.2"}, "flag_names": ["inbound"],
      "encr_alg": {"number": 20}, "auth_alg": {"name": "sha256"}, "encr_key": {"hex": "00FF"},
      "inner_dst": {"address": "10.1.0.0", "proto": 6}, "mark": {"value": 3}})");
  EXPECT_THAT(back.faults, ElementsAre());
  Message m;
  m.type = Type::get, m.satype = SaType::esp;
  m.sa = Sa{1, 0, State::mature, 5, 20, kFlagInbound};
  m.dst = samples::endpoint("192.0.2.2");
  m.encrypt_key = samples::key(16, 0, "00ff");
  m.inner_dst = samples::endpoint("10.1.0.0", 0, kProtoTcp, 32);
  m.inner_src = samples::endpoint("0.0.0.0", 0, kProtoTcp, 0);
  m.mark = Mark{3, UINT32_MAX};
  EXPECT_TRUE(back.m == m) << written(back.m);
}

TEST(JsonRead, ARemainderOfAnOctetIsAKeyToo) {
  const Read back = read(R"({"auth_key": {"bits": 9, "hex": "ff80"}, "encr_key": {"hex": "0102", "iv": "0a0b"}})");
  EXPECT_THAT(back.faults, ElementsAre());
  EXPECT_TRUE(back.m.auth_key == samples::key(9, 0, "ff80"));
  EXPECT_TRUE(back.m.encrypt_key == samples::key(16, 0, "0102"));
  EXPECT_TRUE(back.m.initial_iv == samples::key(16, 0, "0a0b"));
}

// The output has an algorithm that is not in the table with its number as its name.
TEST(JsonRead, TheNameOfAnUnknownAlgorithmIsItsNumber) {
  for (const std::string_view member : {"auth_alg", "encr_alg"}) {
    const Read back = read(fmt::format(R"({{"{}": {{"number": 255, "name": "255"}}}})", member));
    EXPECT_THAT(back.faults, ElementsAre()) << member;
    ASSERT_TRUE(back.m.sa) << member;
    EXPECT_EQ(member == "auth_alg" ? back.m.sa->auth : back.m.sa->encrypt, 255) << member;
    EXPECT_THAT(faults(fmt::format(R"({{"{}": {{"name": "255"}}}})", member)), ElementsAre()) << member;
    for (const std::string_view other : {"0255", "256", "+255", "65791"})
      EXPECT_THAT(faults(fmt::format(R"({{"{}": {{"name": "{}"}}}})", member, other)),
                  ElementsAre(fmt::format("/{}/name: unknown algorithm ({})", member, other)));
    EXPECT_THAT(
        faults(fmt::format(R"({{"{}": {{"number": 254, "name": "255"}}}})", member)),
        ElementsAre(fmt::format("/{}: \"number\" and \"name\" are different algorithms: remove one of them", member)));
  }
}

// What is nearly a word, or a number that stands for one, at each member that has words.
TEST(JsonRead, WordsAreThoseOfTheOutputAndNothingElse) {
  struct Member {
    std::string_view format, pointer, good, shouted, of_number, unknown;
  };
  constexpr std::string_view kWord = "unknown word", kFlag = "unknown flag";
  for (const Member& c : {
           Member{R"({{"satype": {}}})", "/satype", "esp", "ESP", "3", kWord},
           Member{R"({{"state": {}}})", "/state", "mature", "Mature", "1", kWord},
           Member{R"({{"mode": {}}})", "/mode", "transport", "Transport", "0", "unknown mode"},
           Member{R"({{"flag_names": [{}]}})", "/flag_names/0", "inbound", "Inbound", "16384", kFlag},
           Member{R"({{"src_identity": {{"type": {}, "text": "a"}}}})", "/src_identity/type", "fqdn", "FQDN", "2",
                  kWord},
           Member{R"({{"offload": {{"mode": {}, "device": "a"}}}})", "/offload/mode", "crypto", "Crypto", "1", kWord},
           Member{R"({{"df": {}}})", "/df", "clear", "CLEAR", "2", kWord},
           Member{R"({{"dscp": {}}})", "/dscp", "keep", "Keep", "64", kWord},
           Member{R"({{"auth_alg": {{"name": {}}}}})", "/auth_alg/name", "sha256", "SHA256", "5", "unknown algorithm"},
           Member{R"({{"encr_alg": {{"name": {}}}}})", "/encr_alg/name", "any", "Any", "0", "unknown algorithm"},
       }) {
    const auto of = [&](std::string_view value) { return faults(fmt::format(fmt::runtime(c.format), value)); };
    const auto quoted = [&](std::string_view word) { return of(fmt::format("\"{}\"", word)); };
    EXPECT_THAT(quoted(c.good), ElementsAre()) << c.pointer;
    for (const std::string& lax : {std::string(c.shouted), std::string(c.of_number), fmt::format("0{}", c.of_number),
                                   fmt::format("0x{}", c.of_number), fmt::format(" {}", c.good),
                                   fmt::format("{} ", c.good), std::string("0200"), std::string()})
      EXPECT_THAT(quoted(lax), ElementsAre(fmt::format("{}: {}{}", c.pointer, c.unknown,
                                                       lax.empty() ? "" : fmt::format(" ({})", lax))));
    for (const std::string_view other : {c.of_number, std::string_view("true"), std::string_view("null")})
      EXPECT_THAT(of(other), ElementsAre(testing::StartsWith(fmt::format("{}: ", c.pointer)))) << other;
  }
  EXPECT_THAT(faults(R"({"dscp": 63})"), ElementsAre());
  EXPECT_THAT(faults(R"({"dscp": "63"})"), ElementsAre("/dscp: unknown word (63)"));
  EXPECT_THAT(faults(R"({"dscp": 64})"), ElementsAre("/dscp: a word, as a string, is expected here"));
  // A type of identities that has no word is its number, as the output has it.
  const auto type = [](std::string_view word) {
    return faults(fmt::format(R"({{"src_identity": {{"type": "{}", "text": "a"}}}})", word));
  };
  EXPECT_THAT(type("65535"), ElementsAre());
  for (const std::string_view lax : {"7", "08", "065535", "65536", "0x8", "-1"})
    EXPECT_THAT(type(lax), ElementsAre(fmt::format("/src_identity/type: unknown word ({})", lax)));
  EXPECT_THAT(faults(R"({"flag_names": ["inbound", "inbound"]})"),
              ElementsAre("/flag_names/1: this flag is repeated; give it once"));
}

// A number is written in one way: as JSON has it, and without quotes.
TEST(JsonRead, NumbersAreNumbers) {
  for (const std::string_view member : {"spi", "flags", "replay_window", "replay_value", "reqid", "if_id", "tfcpad",
                                        "keepalive", "bundle", "icv_bits", "ah_align"}) {
    for (const std::string_view lax : {"\"8\"", "\"08\"", "\"0x8\"", "8.0", "8e0", "-8", "true", "null", "[8]"})
      EXPECT_THAT(faults(fmt::format(R"({{"{}": {}}})", member, lax)),
                  ElementsAre(testing::StartsWith(fmt::format("/{}: a whole number from 0 to ", member))))
          << lax;
    EXPECT_THAT(faults(fmt::format(R"({{"{}": 8}})", member)), ElementsAre()) << member;
    JsonTree tree;
    for (const std::string_view no_json : {"08", "0x8", "+8", ".8"})
      EXPECT_TRUE(tree.parse(fmt::format(R"({{"{}": {}}})", member, no_json))) << no_json;
  }
}

TEST(JsonRead, SaysWhatIsExpected) {
  struct Case {
    std::string_view text, fault;
  };
  for (const Case& c : {
           Case{"[]", ": an object is expected here"},
           Case{R"({"spy": 1})", "/spy: unknown member (spy)"},
           Case{R"({"proposal": {}})", "/proposal: unknown member (proposal)"},
           Case{R"({"spi": 4294967296})", "/spi: a whole number from 0 to 4294967295 is expected here"},
           Case{R"({"spi": -1})", "/spi: a whole number from 0 to 4294967295 is expected here"},
           Case{R"({"spi": 1.0})", "/spi: a whole number from 0 to 4294967295 is expected here"},
           Case{R"({"spi": "1"})", "/spi: a whole number from 0 to 4294967295 is expected here, without quotes"},
           Case{R"({"spi": null})", "/spi: a whole number from 0 to 4294967295 is expected here"},
           Case{R"({"spi": 1, "spi": 2})", "/spi: this member appears twice; remove one"},
           Case{R"({"src": {"address": "::1", "address": "::1"}})",
                "/src/address: this member appears twice; remove one"},
           Case{R"({"encr_alg": {"name": "aes", "number": 12, "name": "aes"}})",
                "/encr_alg/name: this member appears twice; remove one"},
           Case{R"({"satype": "eps"})", "/satype: unknown word (eps)"},
           Case{R"({"state": 1})", "/state: a word, as a string, is expected here"},
           Case{R"({"mode": "beet"})", "/mode: unknown mode (beet)"},
           Case{R"({"flag_names": ["inbuond"]})", "/flag_names/0: unknown flag (inbuond)"},
           Case{R"({"flags": 16384, "flag_names": ["outbound"]})",
                "/flags: \"flags\" and \"flag_names\" differ: remove one of them"},
           Case{R"({"esn": 1})", "/esn: true or false is expected here"},
           Case{R"({"replay_value": "1"})",
                "/replay_value: a whole number from 0 to 18446744073709551615 is expected here, without quotes"},
           Case{R"({"src": {}})", "/src: \"address\" is missing"},
           Case{R"({"src": "192.0.2.1"})", "/src: an object is expected here"},
           Case{
               R"({"src": {"address": "localhost"}})",
               "/src/address: an IPv4 or IPv6 address is expected here, as a string; names of hosts are not looked up"},
           Case{R"({"src": {"address": "::1", "port": 65536}})",
                "/src/port: a whole number from 0 to 65535 is expected here"},
           Case{R"({"inner_src": {"address": "::1", "prefix": 129}})",
                "/inner_src/prefix: a whole number from 0 to 128 is expected here"},
           Case{R"({"src": {"address": "192.0.2.1", "prefix": 24}})",
                "/src: an outer address has no prefix; a tunnel's prefixes are in inner_src and inner_dst"},
           Case{R"({"src": {"address": "::1", "proto": 6}, "dst": {"address": "::2", "proto": 17}})",
                "/src/proto: both ends must have the same protocol"},
           Case{R"({"mode": "tunnel"})", "/mode: a tunnel needs inner_src or inner_dst, or both"},
           Case{R"({"mode": "transport", "inner_src": {"address": "::1"}})",
                "/mode: an SA with inner_src or inner_dst is a tunnel"},
           Case{R"({"hard": {"packets": 1}})", "/hard/packets: unknown member (packets)"},
           Case{R"({"mark": {"mask": 1}})", "/mark: \"value\" is missing"},
           Case{R"({"offload": {"mode": "software", "device": "eth0"}})", "/offload/mode: unknown word (software)"},
           Case{R"({"offload": {"mode": "crypto", "device": "a\u0000"}})",
                "/offload/device: a text must not contain the character \\u0000"},
           Case{R"({"src_identity": {"type": "fqdn"}})", "/src_identity: \"text\" is missing"},
           Case{R"({"src_identity": {"type": "fqdn", "hex": "6"}})",
                "/src_identity/hex: an even number of hexadecimal digits is expected here, without an octet 00"},
           Case{R"({"label": {"level": 1, "compartments": 5}})",
                "/label/compartments: an array of numbers is expected here"},
           Case{R"({"encr_alg": {"name": "ase"}})", "/encr_alg/name: unknown algorithm (ase)"},
           Case{R"({"encr_alg": "aes"})", "/encr_alg: an object with \"name\" or \"number\" is expected here"},
           Case{R"({"encr_alg": {}})", "/encr_alg: \"name\" or \"number\" is missing"},
           Case{R"({"encr_alg": {"name": "aes-gcm", "number": 12}})",
                "/encr_alg: \"number\" and \"name\" are different algorithms: remove one of them"},
           Case{R"({"encr_key": {}})", "/encr_key: \"hex\" is missing"},
           Case{R"({"encr_key": {"bits": 128}})",
                "/encr_key: \"hex\" is missing: this JSON was written without keys, for example with -p or by monitor"},
           Case{
               R"({"encr_key": {"hex": "00", "salt_bits": 32}})",
               "/encr_key: \"salt\" is missing: this JSON was written without keys, for example with -p or by monitor"},
           Case{R"({"encr_key": {"hex": "000"}})",
                "/encr_key/hex: an even number of hexadecimal digits, at most 512, is expected here"},
           Case{R"({"encr_key": {"hex": "0g"}})", "/encr_key/hex: only hexadecimal digits are expected here"},
           Case{R"({"encr_key": {"hex": "0\u0030"}})",
                "/encr_key/hex: an even number of hexadecimal digits, at most 512, is expected here"},
           Case{R"({"encr_key": {"hex": 12}})", "/encr_key/hex: hexadecimal digits, as a string, is expected here"},
           Case{R"({"encr_key": {"hex": "0000", "bits": 128}})",
                "/encr_key/bits: \"hex\" has 16 bits, but this says 128: remove this member or correct it"},
           Case{R"({"encr_key": {"hex": "0000", "bits": 15, "salt": "00"}})",
                "/encr_key: a key that is followed by a salt or an IV must be whole octets"},
           Case{R"({"auth_key": {"hex": "00", "salt": "00"}})", "/auth_key/salt: unknown member (salt)"},
       })
    EXPECT_THAT(faults(c.text), ElementsAre(c.fault)) << c.text;
}

// Its name may be anything, a key too: it is not part of a pointer.
TEST(JsonRead, AnUnknownMemberIsUnknownHoweverOftenItIsThere) {
  for (const std::string_view parent : {"src", "hard", "mark", "pair", "label", "src_identity", "offload", "traffic",
                                        "encr_alg", "auth_key", "encr_key", "initial_iv"}) {
    const std::string text = fmt::format(R"({{"{0}": {{"cafe": 1, "cafe": 2}}}})", parent);
    JsonTree tree;
    ASSERT_FALSE(tree.parse(text));
    std::vector<JsonFault> faults;
    Message m;
    read_json_sa(tree, {}, m, faults);
    std::size_t strangers = 0;
    for (const JsonFault& f : faults) {
      strangers += f.stranger;
      EXPECT_EQ(f.stranger, tree.name(*f.where) == "cafe") << text << ": " << f.message;
    }
    EXPECT_EQ(strangers, 2u) << text;
  }
}

TEST(JsonRead, KeysHaveABound) {
  const auto key = [](std::size_t octets) {
    return fmt::format(R"({{"encr_key": {{"hex": "{}", "salt": "00"}}}})", std::string(2 * octets, '0'));
  };
  EXPECT_THAT(faults(key(Secret::kMaxSize - 1)), ElementsAre());
  EXPECT_THAT(faults(key(Secret::kMaxSize)), ElementsAre("/encr_key: a key, with salt and IV, has at most 256 octets"));
  EXPECT_THAT(faults(key(Secret::kMaxSize + 1)),
              ElementsAre("/encr_key/hex: an even number of hexadecimal digits, at most 512, is expected here"));
}

TEST(JsonRead, EveryFaultIsReported) {
  EXPECT_THAT(faults(R"({"spi": true, "hard": {"bytes": "1", "byte": 1}})"),
              ElementsAre("/spi: a whole number from 0 to 4294967295 is expected here",
                          "/hard/bytes: a whole number from 0 to 18446744073709551615 is expected here, without quotes",
                          "/hard/byte: unknown member (byte)"));
}

}  // namespace
}  // namespace ipseckey::pfkey
