#include "pfkey/codec.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "pfkey/extensions.h"
#include "pfkey/test_samples.h"

// Bytes are those of a little-endian host; AF_INET6 is Linux' 10. Layouts: RFC 2367 section 2.3, Solaris'
// net/pfkeyv2.h.
namespace ipseckey::pfkey {
namespace {

using samples::endpoint;
using samples::hex;
using samples::key;

std::string digits(Bytes bytes) {
  std::string out;
  for (const std::byte b : bytes) out += fmt::format("{:02x} ", std::to_integer<unsigned>(b));
  return out;
}

std::vector<std::byte> encoded(const Message& m) {
  std::vector<std::byte> out(4096);
  const auto size = encode(m, out);
  EXPECT_TRUE(size);
  out.resize(size.value_or(0));
  return out;
}

// A base header (ESP, seq 1, pid 0x1092) of the right length before the extensions.
std::vector<std::byte> wire(Type type, std::string_view extensions) {
  std::vector<std::byte> out = hex("02 00 00 03 00 00 00 00  01 00 00 00 92 10 00 00");
  const auto body = hex(extensions);
  out.insert(out.end(), body.begin(), body.end());
  out[1] = static_cast<std::byte>(type);
  out[4] = static_cast<std::byte>(out.size() / 8);
  return out;
}

struct Row {
  std::string_view name;
  Type type;
  std::string_view extension;
  void (*set)(Message&);
};

const Row kRows[] = {
    {"SA: SPI in network order, window, state, algorithms, flags", Type::add,
     "02 00 01 00  00 00 21 12  20 01 05 0c  00 80 00 00",
     [](Message& m) { m.sa = Sa{0x2112, 32, State::mature, 5, 12, kFlagOutbound}; }},
    {"CURRENT lifetime", Type::add,
     "04 00 02 00  07 00 00 00  00 01 00 00 00 00 00 00  a5 3f 01 6b 00 00 00 00  00 00 00 00 00 00 00 00",
     [](Message& m) { m.current = Lifetime{7, 256, 0x6b013fa5, 0}; }},
    {"HARD lifetime", Type::add,
     "04 00 03 00  00 00 00 00  ff ff ff ff ff ff ff ff  80 70 00 00 00 00 00 00  01 00 00 00 00 00 00 00",
     [](Message& m) { m.hard = Lifetime{0, UINT64_MAX, 28800, 1}; }},
    {"SOFT lifetime", Type::add,
     "04 00 04 00  ff ff ff ff  00 00 00 00 00 00 00 00  c0 5d 00 00 00 00 00 00  00 00 00 00 00 00 00 00",
     [](Message& m) { m.soft = Lifetime{UINT32_MAX, 0, 24000, 0}; }},
    {"IDLE lifetime", Type::add,
     "04 00 1a 00  00 00 00 00  00 00 00 00 00 00 00 00  40 38 00 00 00 00 00 00  0a 00 00 00 00 00 00 00",
     [](Message& m) { m.idle = Lifetime{0, 0, 14400, 10}; }},
    {"SRC, IPv4 with port, protocol and prefix", Type::add,
     "03 00 05 00  06 18 00 00  02 00 00 63 c0 00 02 01  00 00 00 00 00 00 00 00",
     [](Message& m) { m.src = endpoint("192.0.2.1", 99, 6, 24); }},
    {"DST, IPv6", Type::add,
     "05 00 06 00  00 80 00 00  0a 00 01 f4 00 00 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"
     "00 00 00 00 00 00 00 00",
     [](Message& m) { m.dst = endpoint("2001:db8::1", 500, 0, 128); }},
    {"INNER_SRC, on the number that RFC 2367 calls PROXY", Type::add,
     "03 00 07 00  04 10 00 00  02 00 00 00 0a 01 00 00  00 00 00 00 00 00 00 00",
     [](Message& m) { m.inner_src = endpoint("10.1.0.0", 0, 4, 16); }},
    {"INNER_DST", Type::add, "03 00 16 00  04 10 00 00  02 00 00 00 0a 02 00 00  00 00 00 00 00 00 00 00",
     [](Message& m) { m.inner_dst = endpoint("10.2.0.0", 0, 4, 16); }},
    {"NATT_LOC", Type::add, "03 00 14 00  11 00 00 00  02 00 11 94 00 00 00 00  00 00 00 00 00 00 00 00",
     [](Message& m) { m.natt_local = endpoint("0.0.0.0", 4500, 17); }},
    {"NATT_REM", Type::add, "03 00 15 00  11 00 00 00  02 00 11 95 cb 00 71 05  00 00 00 00 00 00 00 00",
     [](Message& m) { m.natt_remote = endpoint("203.0.113.5", 4501, 17); }},
    {"KEY_AUTH", Type::add, "03 00 08 00  80 00 00 00  bd e3 59 72 35 76 fd ea 08 e5 6c be 87 6e 24 ad",
     [](Message& m) { m.auth_key = key(128, 0, "bde359723576fdea08e56cbe876e24ad"); }},
    {"KEY_ENCRYPT in ADD: the bits count key and salt", Type::add,
     "04 00 09 00  a0 00 00 00  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  a1 b2 c3 d4  00 00 00 00",
     [](Message& m) { m.encrypt_key = key(160, 0, "00112233445566778899aabbccddeeffa1b2c3d4"); }},
    {"KEY_ENCRYPT in ADD with an explicit IV: reserved bits", Type::add,
     "05 00 09 00  e0 00 40 00  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  a1 b2 c3 d4  01 02 03 04 05 06 07 08"
     "00 00 00 00",
     [](Message& m) { m.encrypt_key = key(224, 64, "00112233445566778899aabbccddeeffa1b2c3d40102030405060708"); }},
    {"KEY_ENCRYPT in a GET reply: key bits, salt bits apart", Type::get,
     "04 00 09 00  80 00 20 00  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  a1 b2 c3 d4  00 00 00 00",
     [](Message& m) { m.encrypt_key = key(128, 32, "00112233445566778899aabbccddeeffa1b2c3d4"); }},
    {"a key whose bits end inside an octet", Type::add, "02 00 09 00  0c 00 00 00  ab c0 00 00 00 00 00 00",
     [](Message& m) { m.encrypt_key = key(12, 0, "abc0"); }},
    {"IDENTITY_SRC", Type::add, "03 00 0a 00  02 00 00 00  00 00 00 00 00 00 00 00  65 61 73 74 00 00 00 00",
     [](Message& m) { m.src_identity = Identity{IdentityType::fqdn, 0, "east"}; }},
    {"IDENTITY_DST whose NUL fills the last octet", Type::add,
     "03 00 0b 00  03 00 00 00  05 00 00 00 00 00 00 00  61 40 77 65 73 74 2e 00",
     [](Message& m) { m.dst_identity = Identity{IdentityType::user_fqdn, 5, "a@west."}; }},
    {"SENSITIVITY", Type::add,
     "04 00 0c 00  01 00 00 00  02 01 03 01  01 00 00 00  01 00 00 00 00 00 00 80  02 00 00 00 00 00 00 00",
     [](Message& m) { m.sensitivity = Sensitivity{1, 2, 3, kSensImplicit, {0x8000000000000001}, {2}}; }},
    {"OUTER_SENS without bitmaps", Type::add, "02 00 1b 00  00 00 00 00  04 00 00 00  00 00 00 00",
     [](Message& m) { m.outer_sensitivity = Sensitivity{0, 4, 0, 0, {}, {}}; }},
    {"PROPOSAL with one combination; soft and hard limits interleave", Type::acquire,
     "0a 00 0d 00  40 00 00 00  02 0c 01 00 80 00 80 00 80 00 00 01 18 00 00 00"
     "01 00 00 00 02 00 00 00  03 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00"
     "05 00 00 00 00 00 00 00 06 00 00 00 00 00 00 00  07 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00",
     [](Message& m) {
       m.proposal = Proposal{64, {Combination{2, 12, 1, 128, 128, 128, 256, 24, {1, 3, 5, 7}, {2, 4, 6, 8}}}};
     }},
    {"EPROP with one combination of two algorithms", Type::acquire,
     "0b 00 12 00  20 00 01 00  02 00 03 00 00 00 00 00"
     "01 00 00 00 02 00 00 00  03 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00"
     "05 00 00 00 00 00 00 00 06 00 00 00 00 00 00 00  07 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00"
     "02 01 05 00 00 01 00 01  03 02 14 20 80 00 00 01",
     [](Message& m) {
       m.extended_proposal = ExtendedProposal{
           32,
           {ExtendedCombination{
               3, {1, 3, 5, 7}, {2, 4, 6, 8}, {{SaType::ah, 1, 5, 0, 256, 256}, {SaType::esp, 2, 20, 32, 128, 256}}}}};
     }},
    {"SUPPORTED_AUTH", Type::reg, "02 00 0e 00  00 00 00 00  05 00 00 01 00 01 00 00",
     [](Message& m) { m.supported_auth = Supported{{{5, 0, 256, 256, 0, 0}}}; }},
    {"SUPPORTED_ENCRYPT", Type::reg, "03 00 0f 00  00 00 00 00  0c 10 80 00 00 01 40 00  14 08 80 00 00 01 40 20",
     [](Message& m) { m.supported_encrypt = Supported{{{12, 16, 128, 256, 64, 0}, {20, 8, 128, 256, 64, 32}}}; }},
    {"SPIRANGE in network order", Type::getspi, "02 00 10 00  00 00 01 00  ff ff ff ff  00 00 00 00",
     [](Message& m) { m.spi_range = SpiRange{0x100, 0xffffffff}; }},
    {"EREG", Type::reg, "01 00 11 00  02 03 00 00",
     [](Message& m) { m.extended_register = ExtendedRegister{{2, 3, 0, 0}}; }},
    {"KM_COOKIE", Type::add, "02 00 13 00  03 00 00 00  08 07 06 05 04 03 02 01",
     [](Message& m) { m.km_cookie = KmCookie{3, 0x0102030405060708}; }},
    {"PAIR in network order", Type::add, "01 00 17 00  00 00 21 13", [](Message& m) { m.pair = Pair{0x2113}; }},
    {"REPLAY_VALUE", Type::add, "02 00 18 00  11 00 00 00  02 00 00 00 00 00 00 00",
     [](Message& m) { m.replay_value = ReplayValue{17, 2}; }},
    {"EDUMP", Type::dump, "02 00 19 00  00 00 00 00  3c 00 00 00 00 00 00 00",
     [](Message& m) { m.extended_dump = ExtendedDump{60}; }},
    {"INITIAL_IV, our own", Type::get, "02 00 80 00  40 00 00 00  01 23 45 67 89 ab cd ef",
     [](Message& m) { m.initial_iv = key(64, 0, "0123456789abcdef"); }},
    {"REQID", Type::add, "01 00 81 00  01 40 00 00", [](Message& m) { m.reqid = Number{16385}; }},
    {"MARK: value, mask", Type::add, "02 00 82 00  10 00 00 00  ff 00 00 00  00 00 00 00",
     [](Message& m) { m.mark = Mark{0x10, 0xff}; }},
    {"IF_ID", Type::add, "01 00 83 00  07 00 00 00", [](Message& m) { m.if_id = Number{7}; }},
    {"REPLAY_WINDOW: packets, flags", Type::add, "02 00 84 00  00 04 00 00  01 00 00 00  00 00 00 00",
     [](Message& m) { m.replay_window = ReplayWindow{1024, true}; }},
    {"OFFLOAD: mode, device", Type::add, "02 00 85 00  02 00 00 00  65 74 68 30 00 00 00 00",
     [](Message& m) { m.offload = Offload{Offload::Mode::packet, "eth0"}; }},
    {"AH_ALIGN: bytes", Type::add, "01 00 88 00  08 00 00 00", [](Message& m) { m.ah_align = Number{8}; }},
    {"ICV: bits", Type::add, "01 00 89 00  60 00 00 00", [](Message& m) { m.icv = Number{96}; }},
    {"TFCPAD: bytes", Type::add, "01 00 8a 00  78 05 00 00", [](Message& m) { m.tfc_pad = Number{1400}; }},
    {"OUTPUT_MARK: value, mask", Type::add, "02 00 8b 00  05 00 00 00  0f 00 00 00  00 00 00 00",
     [](Message& m) { m.output_mark = Mark{0x5, 0xf}; }},
    {"DEVICE: its name", Type::add, "02 00 8c 00  65 74 68 31 00 00 00 00  00 00 00 00",
     [](Message& m) { m.device = Device{"eth1"}; }},
    {"DF: 0 copy, 1 set, 2 clear", Type::add, "01 00 8d 00  02 00 00 00", [](Message& m) { m.df = Number{kDfClear}; }},
    {"DSCP: a DSCP, 64 keep, 65 copy", Type::add, "01 00 8e 00  41 00 00 00",
     [](Message& m) { m.dscp = Number{kDscpCopy}; }},
    {"KEEPALIVE: seconds", Type::add, "01 00 8f 00  14 00 00 00", [](Message& m) { m.keepalive = Number{20}; }},
    {"BUNDLE", Type::add, "01 00 90 00  03 00 00 00", [](Message& m) { m.bundle = Number{3}; }},
    {"REMARK", Type::add, "02 00 86 00  6e 6f 20 45 53 50 00 00  00 00 00 00",
     [](Message& m) { m.remark = Remark{"no ESP"}; }},
    {"TRAFFIC", Type::get,
     "08 00 87 00  00 00 00 00  0c 00 00 00 00 00 00 00  f8 09 01 6b 00 00 00 00"
     "01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00  05 00 00 00 "
     "00 00 00 00",
     [](Message& m) { m.traffic = Traffic{12, 1795230200, 1, 2, 3, 4, 5}; }},
};

// covers RFC2367-2-1 RFC2367-2.3.1-1
TEST(Codec, EachExtensionHasItsBytes) {
  for (const Row& row : kRows) {
    const auto bytes = wire(row.type, row.extension);
    Message expected = samples::header(row.type, SaType::esp, 1, 0x1092);
    row.set(expected);
    const auto m = decode(bytes);
    ASSERT_TRUE(m) << row.name << ": " << m.error().text;
    EXPECT_TRUE(*m == expected) << row.name;
    EXPECT_EQ(digits(encoded(expected)), digits(bytes)) << row.name;
  }
}

TEST(Codec, TheTableAboveHasEveryExtension) {
  for (const Extension& extension : extensions()) {
    const bool there = std::ranges::any_of(kRows, [&](const Row& row) {
      const auto bytes = hex(row.extension);
      return std::to_integer<unsigned>(bytes[2]) == extension.id;
    });
    EXPECT_TRUE(there) << extension.name;
  }
}

// covers RFC2367-2-1
TEST(Codec, HeaderFieldsHaveTheirPlaces) {
  const auto bytes = hex("02 0d 16 02 02 00 49 00  04 03 02 01 08 07 06 05");
  Message expected = samples::header(Type::x_updatepair, SaType::ah, 0x01020304, 0x05060708);
  expected.error = EINVAL, expected.diagnostic = 73;
  const auto m = decode(bytes);
  ASSERT_TRUE(m);
  EXPECT_TRUE(*m == expected);
  EXPECT_EQ(digits(encoded(expected)), digits(bytes));
}

TEST(Codec, TypesAndSaTypesBeyondTheTablesPass) {
  const auto m = decode(hex("02 ff 00 fe 02 00 00 00  00 00 00 00 00 00 00 00"));
  ASSERT_TRUE(m);
  EXPECT_EQ(static_cast<int>(m->type), 255);
  EXPECT_EQ(static_cast<int>(m->satype), 254);
}

// What the original command sends for `add esp spi 0x2345 authalg md5 encralg des src 192.0.2.1 dst 192.0.2.2`.
TEST(Codec, ReadsTheReferenceClientsAdd) {
  const auto m =
      decode(hex("02 03 00 03 13 00 00 00  01 00 00 00 92 10 00 00"
                 "02 00 01 00 00 00 23 45  00 01 02 02 00 00 00 00"
                 "02 00 09 00 40 00 00 00  be 02 93 8e 7d ef 28 39"
                 "03 00 08 00 80 00 00 00  bd e3 59 72 35 76 fd ea"
                 "08 e5 6c be 87 6e 24 ad  05 00 06 00 00 00 00 00"
                 "0a 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
                 "00 00 ff ff c0 00 02 02  00 00 00 00 00 00 00 00"
                 "05 00 05 00 00 00 00 00  0a 00 00 00 00 00 00 00"
                 "00 00 00 00 00 00 00 00  00 00 ff ff c0 00 02 01"
                 "00 00 00 00 00 00 00 00"));
  Message expected = samples::header(Type::add, SaType::esp, 1, 4242);
  expected.sa = Sa{0x2345, 0, State::mature, 2, 2, 0};
  expected.encrypt_key = key(64, 0, "be02938e7def2839");
  expected.auth_key = key(128, 0, "bde359723576fdea08e56cbe876e24ad");
  expected.src = endpoint("::ffff:192.0.2.1");
  expected.dst = endpoint("::ffff:192.0.2.2");
  ASSERT_TRUE(m) << m.error().text;
  EXPECT_TRUE(*m == expected);
}

TEST(Codec, ReadsWhatOthersWriteDifferently) {
  struct Other {
    std::string_view name, extension;
    void (*set)(Message&);
  };
  constexpr Other others[] = {
      {"an IPv4 sockaddr in five words, as Solaris echoes a mapped address",
       "05 00 05 00  00 00 00 00  02 00 00 00 c0 00 02 01  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
       "00 00 00 00 00 00 00 00",
       [](Message& m) { m.src = endpoint("192.0.2.1"); }},
      {"flow label, scope and what follows the sockaddr",
       "05 00 05 00  00 00 00 00  0a 00 00 00 11 22 33 44  fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01"
       "05 00 00 00 66 77 88 99",
       [](Message& m) { m.src = endpoint("fe80::1"); }},
      {"room for an IV behind the key",
       "06 00 09 00  80 00 00 00  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  00 00 00 00 00 00 00 00"
       "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00",
       [](Message& m) { m.encrypt_key = key(128, 0, "00112233445566778899aabbccddeeff"); }},
      {"bytes after an identity's NUL", "03 00 0a 00  02 00 00 00  00 00 00 00 00 00 00 00  61 00 62 63 64 65 66 67",
       [](Message& m) { m.src_identity = Identity{IdentityType::fqdn, 0, "a"}; }},
      {"an SPI range of one", "02 00 10 00  00 00 01 00  00 00 01 00  de ad be ef",
       [](Message& m) { m.spi_range = SpiRange{0x100, 0x100}; }},
  };
  for (const Other& row : others) {
    Message expected = samples::header(Type::add, SaType::esp, 1, 0x1092);
    row.set(expected);
    const auto m = decode(wire(Type::add, row.extension));
    ASSERT_TRUE(m) << row.name << ": " << m.error().text;
    EXPECT_TRUE(*m == expected) << row.name;
  }
}

// covers RFC2367-2-2
TEST(Codec, ExtensionsComeInAnyOrder) {
  const auto m = decode(wire(Type::add, "01 00 17 00 00 00 21 13  02 00 01 00 00 00 21 12 00 01 00 00 00 00 00 00"));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->pair, Pair{0x2113});
  EXPECT_EQ(m->sa->spi, 0x2112u);
}

TEST(Codec, EveryExtensionAtOnceIsReadBack) {
  const Message all = samples::everything();
  for (const Extension& row : extensions())
    std::visit([&](auto member) { EXPECT_TRUE((all.*member).has_value()) << row.name; }, row.slot);
  const auto bytes = encoded(all);
  const auto m = decode(bytes);
  ASSERT_TRUE(m) << m.error().text;
  EXPECT_TRUE(*m == all);
  EXPECT_EQ(digits(encoded(*m)), digits(bytes));
}

TEST(Codec, CloneCopiesEveryExtension) { EXPECT_TRUE(samples::everything().clone() == samples::everything()); }

TEST(Codec, EveryTruncationIsRefused) {
  const auto whole = encoded(samples::everything());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto m = decode(Bytes(whole).first(size));
    ASSERT_FALSE(m) << size;
    EXPECT_EQ(m.error().error, size < kHeaderSize ? EINVAL : EMSGSIZE) << size;
    EXPECT_EQ(m.error().diagnostic, Diagnostic::none) << size;
  }
}

// The same with a header that tells the truth about the length: only whole extensions may pass.
TEST(Codec, EveryTruncationInsideAnExtensionIsRefused) {
  const auto whole = encoded(samples::everything());
  std::size_t boundary = kHeaderSize, passed = 0;
  for (std::size_t size = kHeaderSize; size < whole.size(); size += 8) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    cut[4] = static_cast<std::byte>(size / 8), cut[5] = static_cast<std::byte>(size / 8 / 256);
    const auto m = decode(cut);
    EXPECT_EQ(m.has_value(), size == boundary) << size;
    if (!m) {
      EXPECT_EQ(m.error().diagnostic, Diagnostic::bad_extlen) << size;
    }
    passed += m.has_value();
    if (size == boundary) boundary += std::to_integer<std::size_t>(whole[size]) * 8;
  }
  EXPECT_EQ(passed, extensions().size()) << "one cut before each extension";
}

TEST(Codec, EveryShortBufferIsRefused) {
  const Message all = samples::everything();
  const std::size_t size = encoded(all).size();
  std::vector<std::byte> buffer(size);
  EXPECT_EQ(encode(all, buffer).value_or(0), size) << "an exact one is not";
  for (std::size_t shorter = 0; shorter < size; ++shorter) {
    buffer.assign(size, std::byte{0xee});
    const auto written = encode(all, MutableBytes(buffer).first(shorter));
    ASSERT_FALSE(written) << shorter;
    EXPECT_EQ(written.error().code, Errc::invalid);
    ASSERT_TRUE(std::all_of(buffer.begin() + static_cast<std::ptrdiff_t>(shorter), buffer.end(), [](std::byte b) {
      return b == std::byte{0xee};
    })) << "written beyond the end";
  }
}

TEST(Codec, WhatIsTooLongForALengthFieldIsRefused) {
  Message m = samples::header(Type::add, SaType::esp, 1, 1);
  m.src_identity = Identity{IdentityType::fqdn, 0, std::string(kMaxMessageSize, 'a')};
  std::vector<std::byte> buffer(2 * kMaxMessageSize);
  EXPECT_FALSE(encode(m, buffer));
  m.src_identity->text.resize(kMaxMessageSize / 2);
  m.dst_identity = m.src_identity;
  EXPECT_FALSE(encode(m, buffer)) << "each fits, both do not";
}

TEST(Codec, MutationsNeverCrashAndWhatDecodesIsStable) {
  const auto whole = encoded(samples::everything());
  std::mt19937 random(1);
  int decoded = 0;
  for (int i = 0; i < 6000; ++i) {
    auto bytes = whole;
    for (unsigned k = 0; k <= random() % 4; ++k) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto m = decode(bytes);
    if (!m) continue;
    ++decoded;
    const auto once = encoded(*m);
    const auto again = decode(once);
    ASSERT_TRUE(again) << again.error().text;
    ASSERT_TRUE(*again == *m);
    ASSERT_TRUE(encoded(*again) == once);
  }
  EXPECT_GT(decoded, 500) << "the loop must reach the decoders";
}

}  // namespace
}  // namespace ipseckey::pfkey
