// PF_POLICY on the wire: layouts by hand (policy.md section 4), every truncation, and everything that is refused.
#include "pfpolicy/codec.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <bit>
#include <cerrno>
#include <set>

#include "pfpolicy/extensions.h"
#include "policy/testing.h"

namespace ipseckey::pfpolicy {
namespace {

using Octets = std::vector<std::byte>;

Octets encoded(const Message& m) {
  Octets out(kMaxMessageSize);
  const auto size = encode(m, out);
  EXPECT_TRUE(size);
  out.resize(size.value_or(0));
  return out;
}
std::string hex(Bytes b) {
  std::string s;
  for (const std::byte x : b) s += fmt::format("{:02x}", std::to_integer<unsigned>(x));
  return s;
}

Message everything() {
  Message m;
  m.type = Type::addrule, m.error = 22, m.spd = Spd::standby, m.diagnostic = Diagnostic::bad_index, m.seq = 7,
  m.pid = 9;
  m.local_port = Port{22}, m.remote_port = Port{0xabcd};
  m.protocol = Protocol{6};
  m.local = policy::testing::prefix("10.0.0.0/8"), m.remote = policy::testing::prefix("2001:db8::/32");
  m.action = ActionList{{{0x100, 3}, {0x101, 2}, {1, 0}}};
  m.rule = RuleData{.priority = 0x01020304, .flags = kFlagIn | kFlagOut, .index = 0x1122334455667788};
  m.ruleset = Ruleset{3, 4};
  m.type_code = TypeCode{3, 5, 0, 1};
  m.tunnel = Text{"ip.tun0"};
  m.mark = pfkey::Mark{0x10, 0xf0};
  m.if_id = pfkey::Number{5}, m.line = pfkey::Number{12};
  m.remark = Text{"why"};
  m.dropped_out = Dropped{3, "why"}, m.dropped_in = Dropped{4, ""};
  return m;
}

TEST(PfPolicyCodec, LaysOutTheHeaderAndEachExtension) {
  static_assert(std::endian::native == std::endian::little);
  const std::string wire = hex(encoded(everything()));
  EXPECT_EQ(wire,
            "0102160120001b00"
            "0700000009000000"
            "0100010000160016"
            "01000200abcdabcd"
            "0100030006000000"
            "0200040002080000"
            "0a00000000000000"
            "030005000a200000"
            "20010db800000000"
            "0000000000000000"
            "0400060003000000"
            "0001000003000000"
            "0101000002000000"
            "0100000000000000"
            "0300070004030201"
            "0300000000000000"
            "8877665544332211"
            "0200080003000000"
            "0400000000000000"
            "0100090003050001"
            "02000a0069702e74"
            "756e300000000000"
            "0200018010000000"
            "f000000000000000"
            "0100028005000000"
            "010003800c000000"
            "0100048077687900"
            "0300058000000000"
            "0300000000000000"
            "7768790000000000"
            "0200068000000000"
            "0400000000000000");
}

TEST(PfPolicyCodec, EverythingSurvives) {
  const auto got = decode(encoded(everything()));
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, everything());
  EXPECT_EQ(decode(encoded(Message{}))->header(), Message{});
}

TEST(PfPolicyCodec, EveryTruncationIsRefused) {
  const Octets wire = encoded(everything());
  for (std::size_t size = 0; size < wire.size(); ++size) {
    Octets cut(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode(cut)) << size;
    // With a length that agrees, only an end between extensions is whole.
    if (size < kHeaderSize || size % 8 != 0) continue;
    cut[4] = static_cast<std::byte>(size / 8), cut[5] = std::byte{0};
    if (const auto got = decode(cut)) {
      EXPECT_EQ(hex(encoded(*got)), hex(cut)) << size;
    }
  }
}

struct Refused {
  const char* name;
  std::size_t at;
  std::uint8_t octet;
  int error;
  Diagnostic diagnostic;
};

TEST(PfPolicyCodec, RefusesWhatItDoesNotKnow) {
  const Octets wire = encoded(everything());
  using enum Diagnostic;
  for (const Refused& r : std::initializer_list<Refused>{
           {"version", 0, 2, EPROTONOSUPPORT, none},
           {"length", 4, 1, EMSGSIZE, none},
           {"length of 0", 16, 0, EINVAL, bad_extlen},
           {"length past the end", 17, 0xff, EINVAL, bad_extlen},
           {"unknown extension", 18, 99, EINVAL, unknown_ext},
           {"twice", 26, 1, EINVAL, duplicate_local_port},
           {"a range of ports", 23, 99, EINVAL, malformed_local_port},
           {"family", 44, 77, EINVAL, malformed_local},
           {"prefix too long", 45, 33, EINVAL, malformed_local},
           {"bits behind the prefix", 50, 1, EINVAL, malformed_local},
           {"more attributes than there are", 84, 4, EINVAL, malformed_action},
           {"types in the wrong order", 156, 9, EINVAL, malformed_type_code},
           {"a NUL inside a name", 165, 0, EINVAL, bad_extlen},
       }) {
    Octets bad = wire;
    bad[r.at] = static_cast<std::byte>(r.octet);
    const auto got = decode(bad);
    ASSERT_FALSE(got) << r.name;
    EXPECT_EQ(got.error().error, r.error) << r.name;
    EXPECT_EQ(static_cast<int>(got.error().diagnostic), static_cast<int>(r.diagnostic)) << r.name;
    EXPECT_EQ(got.error().header.seq, 7u) << r.name;
  }
}

TEST(PfPolicyCodec, RefusesToWriteWhatWouldBeReadAsSomethingElse) {
  Message m;
  m.tunnel = Text{std::string("a\0b", 3)};
  Octets out(kMaxMessageSize);
  EXPECT_FALSE(encode(m, out));
  m = {};
  m.action = ActionList{std::vector<Attribute>(65536)};
  EXPECT_FALSE(encode(m, out));
  Octets small(40);
  EXPECT_FALSE(encode(everything(), small));
}

TEST(PfPolicyCodec, TheTablesHaveOneRowForEachNumber) {
  std::set<std::uint16_t> numbers;
  for (const Extension& row : extensions()) EXPECT_TRUE(numbers.insert(row.id).second) << row.name;
  std::set<Diagnostic> diagnosed;
  for (const DiagnosticRow& row : diagnostics()) {
    EXPECT_TRUE(diagnosed.insert(row.diagnostic).second) << row.name;
    EXPECT_EQ(sentence(row.diagnostic), row.sentence);
  }
  EXPECT_EQ(sentence(Diagnostic{999}), "unknown diagnostic");
}

}  // namespace
}  // namespace ipseckey::pfpolicy
