// The tables against the specification: algorithms, diagnostics, extensions, words.
#include <gmock/gmock.h>

#include <cerrno>
#include <map>

#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "pfkey/extensions.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {
namespace {

constexpr auto kAuth = AlgorithmKind::auth;
constexpr auto kEncrypt = AlgorithmKind::encrypt;

struct Fact {
  AlgorithmKind kind;
  unsigned number;
  std::string_view name;
  unsigned min_bits, max_bits, step_bits, salt_bits, iv, icv, block;
};

// Solaris' default table (2-20) and, for the rest, the RFC that defines each for ESP: 3566, 4494, 3686, 4312, 4543,
// 7634. Blowfish: RFC 2451 section 2.3 has 40 to 448 bits. The block of a counter mode is what ESP pads to: 4 bytes.
constexpr Fact kFacts[] = {
    {kAuth, 2, "hmac-md5", 128, 128, 8, 0, 0, 12, 64},
    {kAuth, 3, "hmac-sha1", 160, 160, 8, 0, 0, 12, 64},
    {kAuth, 5, "hmac-sha256", 256, 256, 8, 0, 0, 16, 64},
    {kAuth, 6, "hmac-sha384", 384, 384, 8, 0, 0, 24, 128},
    {kAuth, 7, "hmac-sha512", 512, 512, 8, 0, 0, 32, 128},
    {kAuth, 9, "aes-xcbc", 128, 128, 8, 0, 0, 12, 16},
    {kAuth, 248, "aes-cmac", 128, 128, 8, 0, 0, 12, 16},
    {kEncrypt, 2, "des-cbc", 64, 64, 8, 0, 8, 0, 8},
    {kEncrypt, 3, "3des-cbc", 192, 192, 8, 0, 8, 0, 8},
    {kEncrypt, 7, "blowfish-cbc", 40, 448, 8, 0, 8, 0, 8},
    {kEncrypt, 11, "null", 0, 0, 8, 0, 0, 0, 4},
    {kEncrypt, 12, "aes-cbc", 128, 256, 64, 0, 16, 0, 16},
    {kEncrypt, 13, "aes-ctr", 128, 256, 64, 32, 8, 0, 4},
    {kEncrypt, 14, "aes-ccm8", 128, 256, 64, 24, 8, 8, 4},
    {kEncrypt, 15, "aes-ccm12", 128, 256, 64, 24, 8, 12, 4},
    {kEncrypt, 16, "aes-ccm", 128, 256, 64, 24, 8, 16, 4},
    {kEncrypt, 18, "aes-gcm8", 128, 256, 64, 32, 8, 8, 4},
    {kEncrypt, 19, "aes-gcm12", 128, 256, 64, 32, 8, 12, 4},
    {kEncrypt, 20, "aes-gcm", 128, 256, 64, 32, 8, 16, 4},
    {kEncrypt, 22, "camellia-cbc", 128, 256, 64, 0, 16, 0, 16},
    {kEncrypt, 23, "null-aes-gmac", 128, 256, 64, 32, 8, 16, 4},
    {kEncrypt, 31, "chacha20-poly1305", 256, 256, 8, 32, 8, 16, 4},
};

TEST(Algorithms, HaveTheFactsOfTheirSources) {
  EXPECT_EQ(algorithms().size(), std::size(kFacts));
  for (const Fact& fact : kFacts) {
    const Algorithm* a = find_algorithm(fact.kind, static_cast<std::uint8_t>(fact.number));
    ASSERT_NE(a, nullptr) << fact.name;
    EXPECT_EQ(a->name(), fact.name);
    EXPECT_EQ(a->min_bits, fact.min_bits) << fact.name;
    EXPECT_EQ(a->max_bits, fact.max_bits) << fact.name;
    EXPECT_EQ(a->step_bits, fact.step_bits) << fact.name;
    EXPECT_EQ(a->salt_bits, fact.salt_bits) << fact.name;
    EXPECT_EQ(a->iv, fact.iv) << fact.name;
    EXPECT_EQ(a->icv, fact.icv) << fact.name;
    EXPECT_EQ(a->block, fact.block) << fact.name;
    EXPECT_THAT(a->source, testing::StartsWith("RFC ")) << fact.name;
  }
}

TEST(Algorithms, AreFoundByEverySynonymInAnyCase) {
  constexpr std::pair<std::string_view, unsigned> auth[] = {
      {"md5", 2},          {"HMAC-MD5", 2}, {"sha", 3},     {"sha1", 3},         {"SHA-1", 3},  {"hmac-sha", 3},
      {"hmac-sha-1", 3},   {"sha256", 5},   {"sha-256", 5}, {"hmac-sha-256", 5}, {"sha384", 6}, {"sha-384", 6},
      {"hmac-sha-384", 6}, {"sha512", 7},   {"sha-512", 7}, {"hmac-sha-512", 7},
  };
  constexpr std::pair<std::string_view, unsigned> encrypt[] = {
      {"des", 2},        {"3des", 3},       {"Blowfish", 7},  {"aes", 12},  {"AES-CBC", 12},
      {"aes-ccm16", 16}, {"aes-gcm16", 20}, {"camellia", 22}, {"NULL", 11},
  };
  for (const auto& [name, number] : auth) {
    ASSERT_NE(find_algorithm(kAuth, name), nullptr) << name;
    EXPECT_EQ(find_algorithm(kAuth, name)->number, number) << name;
  }
  for (const auto& [name, number] : encrypt) {
    ASSERT_NE(find_algorithm(kEncrypt, name), nullptr) << name;
    EXPECT_EQ(find_algorithm(kEncrypt, name)->number, number) << name;
  }
  EXPECT_EQ(find_algorithm(kAuth, "aes"), nullptr) << "kinds are apart";
  EXPECT_EQ(find_algorithm(kEncrypt, "hmac"), nullptr) << "no part of a name is a name";
  EXPECT_EQ(find_algorithm(kAuth, std::uint8_t{0}), nullptr);
  EXPECT_EQ(find_algorithm(kEncrypt, std::uint8_t{0}), nullptr);
}

TEST(Algorithms, NamesForEveryNumber) {
  EXPECT_EQ(algorithm_name(kAuth, 5), "hmac-sha256");
  EXPECT_EQ(algorithm_name(kEncrypt, 0), "none");
  EXPECT_EQ(algorithm_name(kEncrypt, 200), "200");
  EXPECT_EQ(none_names(kAuth), "none any");
  EXPECT_EQ(none_names(kEncrypt), "any");
}

TEST(Algorithms, SayTheirKeySizes) {
  const auto sizes = [](AlgorithmKind kind, std::string_view name) { return key_sizes(*find_algorithm(kind, name)); };
  EXPECT_EQ(sizes(kAuth, "md5"), "128 bits");
  EXPECT_EQ(sizes(kEncrypt, "aes"), "128, 192 or 256 bits");
  EXPECT_EQ(sizes(kEncrypt, "aes-gcm"), "128, 192 or 256 bits plus a 32-bit salt");
  EXPECT_EQ(sizes(kEncrypt, "aes-ccm8"), "128, 192 or 256 bits plus a 24-bit salt");
  EXPECT_EQ(sizes(kEncrypt, "blowfish"), "40 to 448 bits in steps of 8");
  EXPECT_EQ(sizes(kEncrypt, "null"), "no key");
}

// RFC 2403, 2404, 4868, 3566 and 4494 have one length each; the others are what peers ask for.
TEST(Algorithms, HaveIcvsOfTheseLengths) {
  constexpr std::pair<std::string_view, std::string_view> kSizes[] = {
      {"md5", "96 or 128 bits"},         {"sha1", "96 or 160 bits"},        {"sha256", "96, 128 or 256 bits"},
      {"sha384", "96, 192 or 384 bits"}, {"sha512", "96, 256 or 512 bits"}, {"aes-xcbc", "96 or 128 bits"},
      {"aes-cmac", "96 or 128 bits"}};
  for (const auto& [name, sizes] : kSizes) EXPECT_EQ(icv_sizes(*find_algorithm(kAuth, name)), sizes) << name;
  for (const Algorithm& a : algorithms())
    for (const unsigned bits : {0u, 8u, 64u, 80u, 95u, 104u, 520u}) EXPECT_FALSE(a.icv_fits(bits)) << a.name() << bits;
  EXPECT_FALSE(find_algorithm(kEncrypt, "aes-gcm")->icv_fits(128));
}

TEST(Algorithms, TakeTheKeysThatFit) {
  const Algorithm& aes = *find_algorithm(kEncrypt, "aes");
  for (const unsigned bits : {128u, 192u, 256u}) EXPECT_TRUE(aes.key_fits(bits)) << bits;
  for (const unsigned bits : {0u, 64u, 127u, 129u, 136u, 160u, 257u, 320u}) EXPECT_FALSE(aes.key_fits(bits)) << bits;
  EXPECT_FALSE(find_algorithm(kEncrypt, "null")->takes_key());
}

TEST(Algorithms, KnowWhichAreRiskyWithFixedKeys) {
  std::string counter, combined;
  for (const Algorithm& a : algorithms()) {
    if (a.counter()) counter += std::string(a.name()) + ' ';
    if (a.combined()) combined += std::string(a.name()) + ' ';
  }
  EXPECT_EQ(combined, "aes-ccm8 aes-ccm12 aes-ccm aes-gcm8 aes-gcm12 aes-gcm null-aes-gmac chacha20-poly1305 ");
  EXPECT_EQ(counter, "aes-ctr " + combined);
}

// RFC 8221 section 5 (encryption) and 6 (authentication); what they do not name is MAY. With manual keys counter modes
// are ruled out (RFC 8221 section 3).
TEST(Algorithms, HaveTheStandingOfRfc8221) {
  std::map<std::string_view, std::string> by_standing, manual;
  for (const Algorithm& a : algorithms()) {
    by_standing[words(a.standing)] += std::string(a.name()) + ' ';
    manual[words(a.manual())] += std::string(a.name()) + ' ';
  }
  const std::map<std::string_view, std::string> expected{
      {"MUST NOT", "hmac-md5 des-cbc blowfish-cbc "},
      {"SHOULD NOT", "3des-cbc "},
      {"MAY", "hmac-sha384 aes-cmac aes-ctr aes-ccm12 aes-ccm aes-gcm8 aes-gcm12 camellia-cbc null-aes-gmac "},
      {"SHOULD", "hmac-sha512 aes-xcbc aes-ccm8 chacha20-poly1305 "},
      {"MUST-", "hmac-sha1 "},
      {"MUST", "hmac-sha256 null aes-cbc aes-gcm "},
  };
  EXPECT_EQ(by_standing, expected);
  const std::map<std::string_view, std::string> expected_manual{
      {"MUST NOT",
       "hmac-md5 des-cbc blowfish-cbc aes-ctr aes-ccm8 aes-ccm12 aes-ccm aes-gcm8 aes-gcm12 aes-gcm null-aes-gmac "
       "chacha20-poly1305 "},
      {"SHOULD NOT", "3des-cbc "},
      {"MAY", "hmac-sha384 aes-cmac camellia-cbc "},
      {"SHOULD", "hmac-sha512 aes-xcbc "},
      {"MUST-", "hmac-sha1 "},
      {"MUST", "hmac-sha256 null aes-cbc "},
  };
  EXPECT_EQ(manual, expected_manual);
  EXPECT_EQ(recommended(kAuth).name(), "hmac-sha256");
  EXPECT_EQ(recommended(kEncrypt).name(), "aes-cbc");
}

// Section 4's list, number by number.
TEST(Diagnostics, HaveTheirNumbers) {
  constexpr std::string_view names[] = {"NONE",
                                        "UNKNOWN_MSG",
                                        "UNKNOWN_EXT",
                                        "BAD_EXTLEN",
                                        "UNKNOWN_SATYPE",
                                        "SATYPE_NEEDED",
                                        "NO_SADBS",
                                        "NO_EXT",
                                        "BAD_SRC_AF",
                                        "BAD_DST_AF",
                                        "BAD_INNER_SRC_AF",
                                        "AF_MISMATCH",
                                        "BAD_SRC",
                                        "BAD_DST",
                                        "ALLOC_HSERR",
                                        "BYTES_HSERR",
                                        "ADDTIME_HSERR",
                                        "USETIME_HSERR",
                                        "MISSING_SRC",
                                        "MISSING_DST",
                                        "MISSING_SA",
                                        "MISSING_EKEY",
                                        "MISSING_AKEY",
                                        "MISSING_RANGE",
                                        "DUPLICATE_SRC",
                                        "DUPLICATE_DST",
                                        "DUPLICATE_SA",
                                        "DUPLICATE_EKEY",
                                        "DUPLICATE_AKEY",
                                        "DUPLICATE_RANGE",
                                        "MALFORMED_SRC",
                                        "MALFORMED_DST",
                                        "MALFORMED_SA",
                                        "MALFORMED_EKEY",
                                        "MALFORMED_AKEY",
                                        "MALFORMED_RANGE",
                                        "AKEY_PRESENT",
                                        "EKEY_PRESENT",
                                        "PROP_PRESENT",
                                        "SUPP_PRESENT",
                                        "BAD_AALG",
                                        "BAD_EALG",
                                        "BAD_SAFLAGS",
                                        "BAD_SASTATE",
                                        "BAD_AKEYBITS",
                                        "BAD_EKEYBITS",
                                        "ENCR_NOTSUPP",
                                        "WEAK_EKEY",
                                        "WEAK_AKEY",
                                        "DUPLICATE_KMP",
                                        "DUPLICATE_KMC",
                                        "MISSING_NATT_LOC",
                                        "MISSING_NATT_REM",
                                        "DUPLICATE_NATT_LOC",
                                        "DUPLICATE_NATT_REM",
                                        "MALFORMED_NATT_LOC",
                                        "MALFORMED_NATT_REM",
                                        "DUPLICATE_NATT_PORTS",
                                        "MISSING_INNER_SRC",
                                        "MISSING_INNER_DST",
                                        "DUPLICATE_INNER_SRC",
                                        "DUPLICATE_INNER_DST",
                                        "MALFORMED_INNER_SRC",
                                        "MALFORMED_INNER_DST",
                                        "PREFIX_INNER_SRC",
                                        "PREFIX_INNER_DST",
                                        "BAD_INNER_DST_AF",
                                        "INNER_AF_MISMATCH",
                                        "BAD_NATT_REM_AF",
                                        "BAD_NATT_LOC_AF",
                                        "PROTO_MISMATCH",
                                        "INNER_PROTO_MISMATCH",
                                        "DUAL_PORT_SETS",
                                        "PAIR_INAPPROPRIATE",
                                        "PAIR_ADD_MISMATCH",
                                        "PAIR_ALREADY",
                                        "PAIR_SA_NOTFOUND",
                                        "BAD_SA_DIRECTION",
                                        "SA_NOTFOUND",
                                        "SA_EXPIRED",
                                        "BAD_CTX",
                                        "INVALID_REPLAY",
                                        "MISSING_LIFETIME",
                                        "BAD_LABEL",
                                        "MISSING_ASTR",
                                        "DUPLICATE_ASTR",
                                        "MALFORMED_ASTR"};
  static_assert(std::size(names) == kDiagnosticMax + 1);
  for (std::uint16_t code = 0; code <= kDiagnosticMax; ++code) {
    EXPECT_EQ(name_of(Diagnostic{code}), names[code]);
    EXPECT_FALSE(text_of(Diagnostic{code}).empty()) << code;
    EXPECT_FALSE(text_of(Diagnostic{code}).ends_with('.')) << code;
  }
  EXPECT_EQ(text_of(Diagnostic{87}), "unknown diagnostic code");
  EXPECT_EQ(name_of(Diagnostic{0xffff}), "UNKNOWN");
}

TEST(Extensions, HaveTheNumbersAndCodesOfTheirNames) {
  EXPECT_EQ(extensions().size(), 44u) << "27 of Solaris' 28: string keys are left out; seventeen are ours";
  for (const Extension& e : extensions()) {
    EXPECT_TRUE((e.id >= 1 && e.id < kExtensionMax) || e.id >= kOwnExtensionFirst) << e.name;
    const std::string duplicate(name_of(e.duplicate)), malformed(name_of(e.malformed));
    if (e.duplicate != Diagnostic::none) {
      EXPECT_THAT(duplicate, testing::StartsWith("DUPLICATE_")) << e.name;
    }
    if (e.malformed != Diagnostic::none) {
      EXPECT_THAT(malformed, testing::StartsWith("MALFORMED_")) << e.name;
      EXPECT_EQ(duplicate.substr(duplicate.find('_')), malformed.substr(malformed.find('_'))) << e.name;
    }
  }
}

// A refusal says the keyword, what it may be and what it is for; a number that an SA has without a word says nothing.
TEST(Extensions, SayWhatIsWrongWithTheirNumbers) {
  struct Row {
    std::optional<Number> Message::* member;
    std::uint32_t value;
    std::string_view wrong;
  };
  for (const Row& row : {Row{&Message::tfc_pad, 0, "`tfcpad` is a number from 1 to 65535"},
                         {&Message::tfc_pad, 1, ""},
                         {&Message::tfc_pad, 65535, ""},
                         {&Message::tfc_pad, 65536, "`tfcpad` is a number from 1 to 65535"},
                         {&Message::df, 2, ""},
                         {&Message::df, 3, "`df` is a number from 0 to 2"},
                         {&Message::dscp, 65, ""},
                         {&Message::dscp, 66, "`dscp` is a number from 0 to 65"},
                         {&Message::keepalive, 0, "`keepalive` is a number from 1 to 65535"},
                         {&Message::bundle, 0, "`bundle` is a number from 1 to 4294967295"},
                         {&Message::bundle, UINT32_MAX, ""},
                         {&Message::reqid, 0, ""}}) {
    Message m;
    m.*row.member = Number{row.value};
    EXPECT_EQ(wrong_number(m), row.wrong) << row.value;
  }
}

TEST(Extensions, SayWhatAnSaMustBe) {
  struct Row {
    std::optional<Number> Message::* member;
    SaType satype;
    bool tunnel, v6, encapsulated;
    std::string_view wrong;
  };
  constexpr std::string_view kPad = "`tfcpad` is for ESP tunnels: give isrc and idst",
                             kDf = "`df` is for tunnels with IPv4 outside: IPv6 headers have no such bit",
                             kDscp = "`dscp` is for tunnels: give isrc and idst",
                             kAlive = "`keepalive` is for ESP in UDP: give encap udp";
  using enum SaType;
  for (const Row& row : {Row{&Message::tfc_pad, esp, true, false, false, ""},
                         {&Message::tfc_pad, esp, false, false, false, kPad},
                         {&Message::tfc_pad, ah, true, false, false, kPad},
                         {&Message::df, esp, true, false, false, ""},
                         {&Message::df, ah, true, false, false, ""},
                         {&Message::df, esp, true, true, false, kDf},
                         {&Message::df, esp, false, false, false, kDf},
                         {&Message::dscp, ah, true, true, false, ""},
                         {&Message::dscp, esp, false, false, false, kDscp},
                         {&Message::keepalive, esp, false, false, true, ""},
                         {&Message::keepalive, esp, true, false, false, kAlive},
                         {&Message::bundle, ah, false, false, false, ""}}) {
    Message m;
    m.satype = row.satype, m.sa = Sa{};
    m.dst = Endpoint{.address = unspecified(row.v6 ? Family::v6 : Family::v4)};
    if (row.tunnel) m.inner_src = m.inner_dst = m.dst;
    if (row.encapsulated) m.natt_remote = m.dst;
    m.*row.member = Number{1};
    EXPECT_EQ(meaningless(m), row.wrong);
  }
}

TEST(Extensions, OmitTheDefaultsOfAnSa) {
  Message m;
  m.sa = Sa{.auth = 5};
  m.df = Number{kDfCopy}, m.dscp = Number{kDscpKeep}, m.ah_align = Number{4}, m.icv = Number{128},
  m.tfc_pad = Number{1};
  leave_out_unsaid(m);
  Message left;
  left.sa = m.sa, left.tfc_pad = Number{1};
  EXPECT_EQ(m, left);
  Message asks;
  for (const auto& [value, same] : {std::pair(kDfCopy, true), {kDfClear, false}}) {
    asks.df = Number{value};
    EXPECT_EQ(asks_the_same(extension_of(&Message::df), asks, left), same);
  }
  asks.tfc_pad = Number{2};
  EXPECT_FALSE(asks_the_same(extension_of(&Message::tfc_pad), asks, left));
  EXPECT_EQ(stays_as_added(extension_of(&Message::tfc_pad)), "`tfcpad` cannot be changed after the SA was added");
}

TEST(Words, OfEachNumber) {
  EXPECT_EQ(name(Type::reserved), "RESERVED");
  EXPECT_EQ(name(Type::del), "DELETE");
  EXPECT_EQ(name(Type::reg), "REGISTER");
  EXPECT_EQ(name(Type::x_delpair_state), "X_DELPAIR_STATE");
  EXPECT_EQ(name(Type{16}), "16");
  EXPECT_EQ(name(SaType::unspec), "all");
  EXPECT_EQ(name(SaType::ah), "ah");
  EXPECT_EQ(name(SaType::esp), "esp");
  EXPECT_EQ(name(SaType{9}), "9");
  EXPECT_EQ(name(State::larval), "larval");
  EXPECT_EQ(name(State::active_elsewhere), "active-elsewhere");
  EXPECT_EQ(name(State{7}), "7");
  EXPECT_EQ(name(IdentityType::user_fqdn), "user_fqdn");
  EXPECT_EQ(name(IdentityType{300}), "300");
  EXPECT_EQ(manager_name(0), "manual");
  EXPECT_EQ(manager_name(3), "ikev2");
  EXPECT_EQ(manager_name(99), "99");
}

TEST(Words, AreReadInAnyCaseWithTheirSynonyms) {
  EXPECT_EQ(find_number(state_words(), "Mature"), 1u);
  EXPECT_EQ(find_number(satype_words(), "ESP"), 3u);
  EXPECT_EQ(find_number(satype_words(), "all"), 0u);
  EXPECT_EQ(find_number(identity_words(), "domain"), 2u);
  EXPECT_EQ(find_number(identity_words(), "domainname"), 2u);
  EXPECT_EQ(find_number(identity_words(), "mailbox"), 3u);
  EXPECT_EQ(find_number(state_words(), ""), std::nullopt);
  EXPECT_EQ(find_number(state_words(), "matur"), std::nullopt);
}

TEST(Words, OfFlags) {
  EXPECT_EQ(flag_names(0), "");
  EXPECT_EQ(flag_names(0x4000), "inbound");
  EXPECT_EQ(flag_names(0x8000 | 0x10000 | 0x20000), "outbound, paired, tunnel");
  EXPECT_EQ(flag_names(0x80000000 | 0x40000000 | 0x100000 | 0x80000 | 0x1000),
            "unique, used, natt-local, natt-remote, natted");
  EXPECT_EQ(flag_names(0x2 | 0x4), "noreplay, 0x4");
  EXPECT_EQ(flag_names(0xff0), "0xff0");
  std::uint32_t all = 0;
  for (const Word& word : flag_words()) {
    EXPECT_EQ(word.number & (word.number - 1), 0u) << word.names << " is one bit";
    EXPECT_EQ(all & word.number, 0u) << word.names << " appears once";
    all |= word.number;
  }
  EXPECT_EQ(all, 0xfffff003) << "every bit of section 2.4";
}

TEST(Words, OfErrors) {
  EXPECT_EQ(error_name(ESRCH), "No such process (ESRCH)");
  EXPECT_EQ(error_name(255), "error 255");
  Message m;
  EXPECT_EQ(refusal_text(m), "");
  m.error = EEXIST;
  EXPECT_EQ(refusal_text(m), "File exists (EEXIST)");
  m.error = EINVAL, m.diagnostic = 18;
  EXPECT_EQ(refusal_text(m), "Invalid argument (EINVAL), Diagnostic code 18: a source address is needed");
  m.diagnostic = 1000;
  EXPECT_EQ(refusal_text(m), "Invalid argument (EINVAL), Diagnostic code 1000: unknown diagnostic code");
}

}  // namespace
}  // namespace ipseckey::pfkey
