// What the codec refuses, each with the errno and the diagnostic that the error reply carries.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <tuple>
#include <utility>

#include "pfkey/codec.h"
#include "pfkey/extensions.h"
#include "pfkey/test_samples.h"

namespace ipseckey::pfkey {
namespace {

using samples::hex;
using D = Diagnostic;

std::vector<std::byte> wire(std::string_view extensions) {
  std::vector<std::byte> out = hex("02 03 00 03 00 00 00 00  01 00 00 00 92 10 00 00");
  const auto body = hex(extensions);
  out.insert(out.end(), body.begin(), body.end());
  out[4] = static_cast<std::byte>(out.size() / 8);
  return out;
}

struct Row {
  std::string_view name;
  std::string_view extensions;
  D diagnostic;
};

constexpr Row kRows[] = {
    {"extension 0", "01 00 00 00 00 00 00 00", D::unknown_ext},
    {"string keys, which have no engine", "02 00 1c 00 40 00 00 00 61 61 61 61 61 61 61 61", D::unknown_ext},
    {"extension 29", "01 00 1d 00 00 00 00 00", D::unknown_ext},
    {"extension 0x7f", "01 00 7f 00 00 00 00 00", D::unknown_ext},
    {"extension 0xffff", "01 00 ff ff 00 00 00 00", D::unknown_ext},
    {"an extension of no length", "00 00 01 00 00 00 21 12", D::bad_extlen},
    {"an extension that runs past the end", "03 00 01 00 00 00 21 12 00 00 00 00 00 00 00 00", D::bad_extlen},
    {"the longest extension there can be", "ff ff 01 00 00 00 21 12 00 00 00 00 00 00 00 00", D::bad_extlen},

    {"SA of one word", "01 00 01 00 00 00 21 12", D::malformed_sa},
    {"CURRENT of three words", "03 00 02 00 00 00 00 00 0000000000000000 0000000000000000", D::none},
    {"HARD of one word", "01 00 03 00 00 00 00 00", D::none},
    {"SOFT of two words", "02 00 04 00 00 00 00 00 0000000000000000", D::none},
    {"IDLE of three words", "03 00 1a 00 00 00 00 00 0000000000000000 0000000000000000", D::none},
    {"SRC of one word", "01 00 05 00 00 00 00 00", D::malformed_src},
    {"SRC, IPv4 in two words", "02 00 05 00 00 00 00 00 02 00 00 00 c0 00 02 01", D::malformed_src},
    {"DST, IPv6 in three words", "03 00 06 00 00 00 00 00 0a 00 00 00 00 00 00 00 2001 0db8 0000 0000",
     D::malformed_dst},
    {"INNER_SRC of one word", "01 00 07 00 00 00 00 00", D::malformed_inner_src},
    {"INNER_DST of one word", "01 00 16 00 00 00 00 00", D::malformed_inner_dst},
    {"NATT_LOC of one word", "01 00 14 00 00 00 00 00", D::malformed_natt_loc},
    {"NATT_REM of one word", "01 00 15 00 00 00 00 00", D::malformed_natt_rem},
    {"KEY_AUTH without bits", "02 00 08 00 00 00 00 00 0102030405060708", D::malformed_akey},
    {"KEY_AUTH shorter than its bits", "02 00 08 00 41 00 00 00 0102030405060708", D::malformed_akey},
    {"KEY_ENCRYPT of one word", "01 00 09 00 40 00 00 00", D::malformed_ekey},
    {"KEY_ENCRYPT with more bits than any cipher", "02 00 09 00 ff ff 00 00 0102030405060708", D::malformed_ekey},
    {"IDENTITY_SRC of one word", "01 00 0a 00 02 00 00 00", D::none},
    {"IDENTITY_SRC without text", "02 00 0a 00 02 00 00 00 0000000000000000", D::none},
    {"IDENTITY_DST without a NUL", "03 00 0b 00 02 00 00 00 0000000000000000 6161616161616161", D::none},
    {"SENSITIVITY whose bitmap is not there", "02 00 0c 00 00 00 00 00 00 01 00 00 00 00 00 00", D::none},
    {"SENSITIVITY with a word too many", "03 00 0c 00 00 00 00 00 00 00 00 00 00 00 00 00 0000000000000000", D::none},
    {"OUTER_SENS of one word", "01 00 1b 00 00 00 00 00", D::none},
    {"PROPOSAL with half a combination",
     "05 00 0d 00 40 00 00 00 0000000000000000 0000000000000000 0000000000000000"
     "0000000000000000",
     D::none},
    {"EPROP that promises a combination", "01 00 12 00 40 00 01 00", D::none},
    {"EPROP with words that nobody promised", "02 00 12 00 40 00 00 00 0000000000000000", D::none},
    {"EPROP whose combination promises an algorithm",
     "09 00 12 00 40 00 01 00 01 00 00 00 00 00 00 00 0000000000000000 0000000000000000 0000000000000000"
     "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
     D::none},
    {"SPIRANGE of one word", "01 00 10 00 00 00 01 00", D::malformed_range},
    {"SPIRANGE upside down", "02 00 10 00 00 00 02 00 00 00 01 ff 00 00 00 00", D::malformed_range},
    {"KM_COOKIE of one word", "01 00 13 00 03 00 00 00", D::none},
    {"REPLAY_VALUE of one word", "01 00 18 00 03 00 00 00", D::none},
    {"EDUMP of one word", "01 00 19 00 03 00 00 00", D::none},
    {"SRC of family 0", "03 00 05 00 00 00 00 00 00 00 00 00 c0 00 02 01 0000000000000000", D::malformed_src},
    {"DST of Solaris' AF_INET6",
     "05 00 06 00 00 00 00 00 1a 00 00 00 00 00 00 00 0000000000000000 0000000000000001"
     "0000000000000000",
     D::malformed_dst},
};

// covers RFC2367-2-2
TEST(CodecRefuses, BadExtensions) {
  Message header = samples::header(Type::add, SaType::esp, 1, 0x1092);
  for (const Row& row : kRows) {
    const auto m = decode(wire(row.extensions));
    ASSERT_FALSE(m) << row.name;
    EXPECT_EQ(m.error().error, EINVAL) << row.name;
    EXPECT_EQ(m.error().diagnostic, row.diagnostic) << row.name;
    EXPECT_TRUE(m.error().header == header) << row.name << ": the reply needs the whole header";
    EXPECT_FALSE(m.error().text.empty()) << row.name;
  }
}

// Section 4's codes; those of NATT_LOC and NATT_REM are Solaris' too, which never sends them.
// covers RFC2367-2-2
TEST(CodecRefuses, EachExtensionThatAppearsTwice) {
  struct Twice {
    std::uint16_t id;
    D diagnostic;
  };
  constexpr Twice with_code[] = {{5, D::duplicate_src},       {6, D::duplicate_dst},       {1, D::duplicate_sa},
                                 {9, D::duplicate_ekey},      {8, D::duplicate_akey},      {16, D::duplicate_range},
                                 {20, D::duplicate_natt_loc}, {21, D::duplicate_natt_rem}, {7, D::duplicate_inner_src},
                                 {22, D::duplicate_inner_dst}};
  const Message all = samples::everything();
  for (const Extension& extension : extensions()) {
    Message one = all.header();
    one.error = 0, one.diagnostic = 0;
    std::visit(
        [&](auto member) {
          Message copy = all.clone();
          one.*member = std::move(copy.*member);
        },
        extension.slot);
    std::vector<std::byte> bytes(4096);
    bytes.resize(encode(one, bytes).value_or(0));
    ASSERT_GT(bytes.size(), kHeaderSize);
    const std::vector<std::byte> body(bytes.begin() + kHeaderSize, bytes.end());
    bytes.insert(bytes.end(), body.begin(), body.end());
    bytes[4] = static_cast<std::byte>(bytes.size() / 8);

    D expected = D::none;
    for (const Twice& row : with_code)
      if (row.id == extension.id) expected = row.diagnostic;
    const auto m = decode(bytes);
    ASSERT_FALSE(m) << extension.name;
    EXPECT_EQ(m.error().error, EINVAL) << extension.name;
    EXPECT_EQ(m.error().diagnostic, expected) << extension.name;
  }
}

// covers RFC2367-2-1
TEST(CodecRefuses, BadHeaders) {
  struct Header {
    std::string_view name, bytes;
    std::uint8_t error;
  };
  constexpr Header rows[] = {
      {"nothing", "", EINVAL},
      {"half a header", "02 03 00 03 01 00 00 00", EINVAL},
      {"version 0", "00 03 00 03 02 00 00 00  01 00 00 00 92 10 00 00", EINVAL},
      {"version 3", "03 03 00 03 02 00 00 00  01 00 00 00 92 10 00 00", EINVAL},
      {"a length of 0", "02 03 00 03 00 00 00 00  01 00 00 00 92 10 00 00", EMSGSIZE},
      {"one word too few", "02 03 00 03 01 00 00 00  01 00 00 00 92 10 00 00", EMSGSIZE},
      {"one word too many", "02 03 00 03 03 00 00 00  01 00 00 00 92 10 00 00", EMSGSIZE},
      {"a stray byte", "02 03 00 03 02 00 00 00  01 00 00 00 92 10 00 00  00", EMSGSIZE},
  };
  for (const Header& row : rows) {
    const auto m = decode(hex(row.bytes));
    ASSERT_FALSE(m) << row.name;
    EXPECT_EQ(m.error().error, row.error) << row.name;
    EXPECT_EQ(m.error().diagnostic, D::none) << row.name;
  }
}

// A reply has the explicit IV beside the key; who saves the SA joins them, and no key has room for more than 256
// octets.
TEST(CodecRefuses, KeyAndInitialIvThatTogetherAreNotAKey) {
  for (const auto& [key, iv, fits] : {std::tuple{256, 8, false}, std::tuple{249, 8, false}, std::tuple{8, 249, false},
                                      std::tuple{248, 8, true}, std::tuple{8, 248, true}}) {
    Message m = samples::header(Type::get, SaType::esp, 1, 0x1092);
    m.encrypt_key = Key{static_cast<std::uint16_t>(key * 8), 0, Secret(static_cast<std::size_t>(key))};
    m.initial_iv = Key{static_cast<std::uint16_t>(iv * 8), 0, Secret(static_cast<std::size_t>(iv))};
    std::vector<std::byte> bytes(4096);
    bytes.resize(encode(m, bytes).value_or(0));
    const auto back = decode(bytes);
    ASSERT_EQ(back.has_value(), fits) << key << ' ' << iv;
    if (fits) {
      EXPECT_TRUE(*back == m);
      continue;
    }
    EXPECT_EQ(back.error().error, EINVAL);
    EXPECT_EQ(back.error().diagnostic, D::malformed_ekey);
    EXPECT_EQ(back.error().text, "KEY_ENCRYPT and INITIAL_IV are longer than any key");
  }
}

std::string not_encoded(const Message& m) {
  std::vector<std::byte> bytes(1 << 16);
  const auto size = encode(m, bytes);
  if (size) return "encoded";
  EXPECT_EQ(size.error().code, Errc::invalid);
  return size.error().text;
}

// The receiver would read another key, and take it.
TEST(CodecRefuses, ToEncodeAKeyThatIsNotAsLongAsItsBits) {
  constexpr std::string_view kCure = "; give both the same length";
  struct Case {
    Type type;
    unsigned bits, reserved, size;
    std::string_view fault;
  };
  for (const Case& c :
       {Case{Type::add, 128, 0, 16, ""}, Case{Type::add, 121, 0, 16, ""}, Case{Type::add, 160, 32, 20, ""},
        Case{Type::get, 128, 32, 20, ""}, Case{Type::dump, 121, 9, 18, ""},
        Case{Type::add, 128, 0, 32, "a key of 32 bytes, but its bits are those of 16 bytes"},
        Case{Type::update, 256, 0, 16, "a key of 16 bytes, but its bits are those of 32 bytes"},
        Case{Type::add, 128, 32, 20, "a key of 20 bytes, but its bits are those of 16 bytes"},
        Case{Type::get, 160, 32, 20, "a key of 20 bytes, but its bits are those of 24 bytes"},
        Case{Type::dump, 128, 0, 20, "a key of 20 bytes, but its bits are those of 16 bytes"},
        Case{Type::add, 128, 0, 0, "a key of 0 bytes, but its bits are those of 16 bytes"}})
    for (auto [member, name] :
         {std::pair{&Message::auth_key, "KEY_AUTH"}, std::pair{&Message::encrypt_key, "KEY_ENCRYPT"},
          std::pair{&Message::initial_iv, "INITIAL_IV"}}) {
      Message m = samples::header(c.type, SaType::esp, 1, 0x1092);
      m.*member = Key{static_cast<std::uint16_t>(c.bits), static_cast<std::uint16_t>(c.reserved), Secret(c.size)};
      EXPECT_EQ(not_encoded(m), c.fault.empty() ? "encoded" : fmt::format("{} has {}{}", name, c.fault, kCure))
          << c.bits << ' ' << c.reserved << ' ' << c.size;
    }
}

// The receiver would read its beginning.
TEST(CodecRefuses, ToEncodeATextWithANulInside) {
  const std::string text("a\0b", 3);
  const auto with = [](auto member, auto value) {
    Message m = samples::header(Type::add, SaType::esp, 1, 0x1092);
    m.*member = std::move(value);
    return not_encoded(m);
  };
  constexpr std::string_view kFault = " has a text with a NUL byte inside, where it would end; remove the byte";
  EXPECT_EQ(with(&Message::src_identity, Identity{IdentityType::fqdn, 0, text}), fmt::format("IDENTITY_SRC{}", kFault));
  EXPECT_EQ(with(&Message::dst_identity, Identity{IdentityType::fqdn, 0, text}), fmt::format("IDENTITY_DST{}", kFault));
  EXPECT_EQ(with(&Message::offload, Offload{Offload::Mode::crypto, text}), fmt::format("OFFLOAD{}", kFault));
  EXPECT_EQ(with(&Message::device, Device{text}), fmt::format("DEVICE{}", kFault));
  EXPECT_EQ(with(&Message::remark, Remark{text}), fmt::format("REMARK{}", kFault));
  EXPECT_EQ(with(&Message::dst_identity, Identity{IdentityType::fqdn, 0, "ab"}), "encoded");
}

// Their number is an octet of the extension.
TEST(CodecRefuses, ToEncodeListsThatAreLongerThanTheirNumberCanSay) {
  Message m = samples::header(Type::add, SaType::esp, 1, 0x1092);
  m.sensitivity.emplace().bitmap.resize(255);
  EXPECT_EQ(not_encoded(m), "encoded");
  m.sensitivity->integrity_bitmap.resize(256);
  EXPECT_EQ(not_encoded(m), "SENSITIVITY has more than 255 words of compartments; remove some");
  m.sensitivity.reset();
  m.extended_proposal.emplace().combinations.emplace_back().algorithms.resize(255);
  EXPECT_EQ(not_encoded(m), "encoded");
  m.extended_proposal->combinations[0].algorithms.resize(256);
  EXPECT_EQ(not_encoded(m), "EPROP has more than 255 algorithms in a combination; remove some");
}

TEST(CodecRefuses, WithoutAByteOfTheMessage) {
  for (const Row& row : kRows) {
    const auto m = decode(wire(row.extensions));
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().text.find("0102"), std::string::npos) << row.name;
  }
  EXPECT_EQ(decode(wire("02 00 08 00 41 00 00 00 0102030405060708")).error().text,
            "KEY_AUTH is too short or has a bad value");
}

}  // namespace
}  // namespace ipseckey::pfkey
