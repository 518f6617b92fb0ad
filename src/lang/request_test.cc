#include "lang/request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::address;
using lang::testing::run;
using pfkey::Endpoint;
using pfkey::Lifetime;
using pfkey::Message;
using pfkey::SaType;
using pfkey::State;
using pfkey::Type;

Secret secret(std::initializer_list<unsigned> octets) {
  Secret s(octets.size());
  std::ranges::transform(octets, s.bytes().begin(), [](unsigned o) { return static_cast<std::byte>(o); });
  return s;
}

Endpoint outer(std::string_view a, std::uint8_t proto = 0, std::uint16_t port = 0) {
  return {proto, 0, address(a), port};
}
Endpoint inner(std::string_view a, std::uint8_t prefix, std::uint8_t proto = 0, std::uint16_t port = 0) {
  return {proto, prefix, address(a), port};
}

// `update esp spi 0x1000 dst 192.0.2.2` and what the language fills in.
Message update() {
  Message m;
  m.type = Type::update, m.satype = SaType::esp;
  m.sa = pfkey::Sa{.spi = 0x1000, .state = State::mature};
  m.src = outer("0.0.0.0"), m.dst = outer("192.0.2.2");
  return m;
}

constexpr std::string_view kUpdate = "update esp spi 0x1000 dst 192.0.2.2 ";

Message changed(auto change) {
  Message m = update();
  change(m);
  return m;
}

struct MessageRow {
  std::string_view text;  // After `update esp spi 0x1000 dst 192.0.2.2`.
  Message expected;
};

std::vector<MessageRow> rows() {
  std::vector<MessageRow> rows;
  const auto row = [&](std::string_view text, auto change) { rows.push_back({text, changed(change)}); };
  row("", [](Message&) {});
  row("pair-spi 0x2000", [](Message& m) { m.sa->flags = 0x10000, m.pair = pfkey::Pair{0x2000}; });
  row("inbound", [](Message& m) { m.sa->flags = 0x4000; });
  row("outbound", [](Message& m) { m.sa->flags = 0x8000; });
  row("inbound outbound", [](Message& m) { m.sa->flags = 0xc000; });
  row("replay 32", [](Message& m) { m.sa->replay = 32; });
  row("replay_value 0x10", [](Message& m) { m.replay_value = pfkey::ReplayValue{16, 0}; });
  row("state mature", [](Message&) {});
  row("state 4", [](Message& m) { m.sa->state = State::active_elsewhere; });
  // Only what names an algorithm speaks of algorithms: the other one is then none.
  row("authalg SHA-256", [](Message& m) { m.sa->auth = 5, m.sa->encrypt = 11; });
  row("auth_alg 7", [](Message& m) { m.sa->auth = 7, m.sa->encrypt = 11; });
  row("authalg sha256 icv 96", [](Message& m) { m.sa->auth = 5, m.sa->encrypt = 11, m.icv = pfkey::Number{96}; });
  row("tfcpad 1400", [](Message& m) { m.tfc_pad = pfkey::Number{1400}; });
  row("df set", [](Message& m) { m.df = pfkey::Number{pfkey::kDfSet}; });
  row("df clear", [](Message& m) { m.df = pfkey::Number{pfkey::kDfClear}; });
  row("dscp copy", [](Message& m) { m.dscp = pfkey::Number{pfkey::kDscpCopy}; });
  row("dscp keep", [](Message& m) { m.dscp = pfkey::Number{pfkey::kDscpKeep}; });
  row("dscp 46", [](Message& m) { m.dscp = pfkey::Number{46}; });
  row("bundle 7", [](Message& m) { m.bundle = pfkey::Number{7}; });
  row("output-mark 0x5", [](Message& m) { m.output_mark = pfkey::Mark{5, UINT32_MAX}; });
  row("output-mark 0x5/0xf", [](Message& m) { m.output_mark = pfkey::Mark{5, 15}; });
  row("dev eth0", [](Message& m) { m.device = pfkey::Device{"eth0"}; });
  row("encralg 3des", [](Message& m) { m.sa->encrypt = 3; });
  row("encr_alg null", [](Message& m) { m.sa->encrypt = 11; });
  row("src 192.0.2.1", [](Message& m) { m.src = outer("192.0.2.1"); });
  row("saddr mypeer", [](Message& m) { m.src = outer("192.0.2.3"); });
  const auto icmp = [](std::uint8_t proto, std::uint16_t type, std::uint16_t code) {
    return [=](Message& m) {
      m.src->proto = m.dst->proto = proto;
      m.src->port = type, m.dst->port = code;
    };
  };
  row("proto 1 icmp-type 8", icmp(1, 8, 0));
  row("proto 1 icmp-type 0", icmp(1, 256, 0));  // 0 would be any.
  row("proto 1 icmp-type 3 icmp-code 0", icmp(1, 3, 256));
  row("icmp-code 255 ulp 58 icmp-type 255", icmp(58, 255, 255));
  row("proto 58 sport 128", icmp(58, 128, 0));  // As setkey and Linux have it.
  row("sport 1 dport https", [](Message& m) { m.src->port = 1, m.dst->port = 443; });
  row("proto 6", [](Message& m) { m.src->proto = 6, m.dst->proto = 6; });
  row("ulp tcp", [](Message& m) { m.src->proto = 6, m.dst->proto = 6; });
  row("hard_bytes 1 hard_addtime 2 hard_usetime 3 hard_alloc 4", [](Message& m) { m.hard = Lifetime{4, 1, 2, 3}; });
  row("soft_bytes 1 soft_addtime 2 soft_usetime 3 soft_alloc 4", [](Message& m) { m.soft = Lifetime{4, 1, 2, 3}; });
  row("idle_addtime 5 idle_usetime 6", [](Message& m) { m.idle = Lifetime{0, 0, 5, 6}; });
  row("idle_usetime 6", [](Message& m) { m.idle = Lifetime{0, 0, 0, 6}; });
  row("hard_bytes 0", [](Message& m) { m.hard = Lifetime{}; });
  row("hard_bytes 0xffffffffffffffff", [](Message& m) { m.hard = Lifetime{0, UINT64_MAX, 0, 0}; });
  row("srcidtype fqdn \"a b\"",
      [](Message& m) { m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "a b"}; });
  row("dstidtype MAILBOX joe@b.example",
      [](Message& m) { m.dst_identity = pfkey::Identity{pfkey::IdentityType::user_fqdn, 0, "joe@b.example"}; });
  row("dstidtype 7 $\"a\\x0ab\"",
      [](Message& m) { m.dst_identity = pfkey::Identity{pfkey::IdentityType::x_addr_range, 0, "a\nb"}; });
  row("label 5", [](Message& m) {
    m.sensitivity = pfkey::Sensitivity{.dpd = 1, .level = 5, .bitmap = {}, .integrity_bitmap = {}};
  });
  row("outer-label 6:00000000000000ff8000000000000000", [](Message& m) {
    m.outer_sensitivity =
        pfkey::Sensitivity{.dpd = 1, .level = 6, .bitmap = {0xff, 1ull << 63}, .integrity_bitmap = {}};
  });
  row("implicit-label 7", [](Message& m) {
    m.outer_sensitivity = pfkey::Sensitivity{.dpd = 1, .level = 7, .flags = 1, .bitmap = {}, .integrity_bitmap = {}};
  });
  row("authalg md5 authkey 00112233445566778899aabbccddeeff", [](Message& m) {
    m.sa->auth = 2, m.sa->encrypt = 11;
    m.auth_key = pfkey::Key{
        128, 0, secret({0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff})};
  });
  row("encralg des encrkey 0x0123456789ABCDEF/64", [](Message& m) {
    m.sa->encrypt = 2;
    m.encrypt_key = pfkey::Key{64, 0, secret({0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef})};
  });
  row("reserved_bits 16 encrkey 0123456789abcdef0011 encralg des", [](Message& m) {
    m.sa->encrypt = 2;
    m.encrypt_key = pfkey::Key{80, 16, secret({0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0x11})};
  });
  // What Linux has and PF_KEY has not.
  row("reqid 7", [](Message& m) { m.reqid = pfkey::Number{7}; });
  row("reqid 0", [](Message& m) { m.reqid = pfkey::Number{0}; });
  row("if_id 0xffffffff", [](Message& m) { m.if_id = pfkey::Number{UINT32_MAX}; });
  row("mark 5", [](Message& m) { m.mark = pfkey::Mark{5, UINT32_MAX}; });
  row("mark 0x10/0xf0", [](Message& m) { m.mark = pfkey::Mark{0x10, 0xf0}; });
  row("mark 0/0", [](Message& m) { m.mark = pfkey::Mark{0, 0}; });
  row("esn", [](Message& m) { m.replay_window = pfkey::ReplayWindow{0, true}; });
  row("esn replay 32", [](Message& m) { m.sa->replay = 32, m.replay_window = pfkey::ReplayWindow{32, true}; });
  row("replay 255", [](Message& m) { m.sa->replay = 255; });
  row("replay 256", [](Message& m) { m.sa->replay = 255, m.replay_window = pfkey::ReplayWindow{256, false}; });
  row("offload crypto eth0", [](Message& m) { m.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth0"}; });
  row("offload packet \"spi\"", [](Message& m) { m.offload = pfkey::Offload{pfkey::Offload::Mode::packet, "spi"}; });
  row("offload packet $\"a\\x01b\"", [](Message& m) {
    m.offload = pfkey::Offload{pfkey::Offload::Mode::packet,
                               "a\x01"
                               "b"};
  });
  row("hard_packets 9 soft_packets 8",
      [](Message& m) { m.hard = Lifetime{9, 0, 0, 0}, m.soft = Lifetime{8, 0, 0, 0}; });
  // NAT traversal.
  row("encap udp nat_loc 192.0.2.9", [](Message& m) { m.sa->flags = 0x100000, m.natt_local = outer("192.0.2.9", 17); });
  row("encap udp nat_rport 4500",
      [](Message& m) { m.sa->flags = 0x80000, m.natt_remote = outer("0.0.0.0", 17, 4500); });
  row("nat_rem mypeer nat_rport 1 nat_lport 2 encap udp", [](Message& m) {
    m.sa->flags = 0x180000;
    m.natt_local = outer("0.0.0.0", 17, 2), m.natt_remote = outer("192.0.2.3", 17, 1);
  });
  // Tunnels.
  const auto tunnel = [&](std::string_view text, Endpoint s, Endpoint d, std::uint8_t proto) {
    rows.push_back({text, changed([&](Message& m) {
                      m.sa->flags = 0x20000, m.inner_src = s, m.inner_dst = d;
                      m.src->proto = proto, m.dst->proto = proto;
                    })});
  };
  tunnel("isrc 10.1.2.3/8 idst 10.0.0.1", inner("10.0.0.0", 8), inner("10.0.0.1", 32), 4);
  tunnel("proxy mypeer/24 innerdst 10.0.0.1/0 proto 4", inner("192.0.2.0", 24), inner("0.0.0.0", 0), 4);
  tunnel("isrc 10.0.0.0/8", inner("10.0.0.0", 8), inner("0.0.0.0", 0), 4);
  tunnel("idst6 2001:db8::/32", inner("::", 0), inner("2001:db8::", 32), 41);
  tunnel("proxyaddr6 six proto 41", inner("2001:db8::6", 128), inner("::", 0), 41);
  tunnel("iproto 1 icmp-type 0 icmp-code 4", inner("0.0.0.0", 0, 1, 256), inner("0.0.0.0", 0, 1, 4), 4);
  tunnel("isport 1", inner("0.0.0.0", 0, 0, 1), inner("0.0.0.0", 0), 4);
  tunnel("idport https iproto tcp proto 41", inner("::", 0, 6), inner("::", 0, 6, 443), 41);
  return rows;
}

TEST(Request, SaysWhatEachKeywordSays) {
  for (const MessageRow& row : rows()) {
    const auto outcome = run(std::string(kUpdate) + std::string(row.text));
    ASSERT_EQ(outcome.messages.size(), 1u) << row.text << '\n' << outcome.report;
    EXPECT_TRUE(outcome.messages[0] == row.expected) << row.text;
  }
}

TEST(Request, FillsInDefaultsByTypeAndVerb) {
  const auto ah = run("add ah spi 0x1000 dst 2001:db8::1 authalg md5 authkey 00112233445566778899aabbccddeeff");
  Message expected;
  expected.type = Type::add, expected.satype = SaType::ah;
  expected.sa = pfkey::Sa{.spi = 0x1000, .state = State::mature, .auth = 2};  // AH has no cipher, not even NULL.
  expected.src = outer("::"), expected.dst = outer("2001:db8::1");
  expected.auth_key = pfkey::Key{
      128, 0, secret({0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff})};
  ASSERT_EQ(ah.messages.size(), 1u) << ah.report;
  EXPECT_TRUE(ah.messages[0] == expected);

  const auto pair = run("update-pair esp spi 0x1000 dst 192.0.2.2");
  ASSERT_EQ(pair.messages.size(), 1u);
  EXPECT_TRUE(pair.messages[0] == changed([](Message& m) { m.type = Type::x_updatepair; }));
}

TEST(Request, NamesAnSaToFindIt) {
  for (const auto& [verb, type] :
       {std::pair{"delete", Type::del}, std::pair{"delete-pair", Type::x_delpair}, std::pair{"get", Type::get}}) {
    Message expected;
    expected.type = type, expected.satype = SaType::esp;
    expected.sa = pfkey::Sa{.spi = 0x1000};
    expected.dst = outer("192.0.2.2");
    auto outcome = run(fmt::format("{} esp spi 0x1000 dst 192.0.2.2 hard_bytes 1", verb));
    ASSERT_EQ(outcome.messages.size(), 1u) << outcome.report;
    EXPECT_TRUE(outcome.messages[0] == expected) << verb;

    expected.sa->flags = 0x4000;
    expected.src = outer("192.0.2.1", 6, 7), expected.dst = outer("192.0.2.2", 6, 8);
    expected.mark = pfkey::Mark{1, 3};  // Part of an SA's name on Linux.
    outcome = run(
        fmt::format("{} esp spi 0x1000 dst 192.0.2.2 src 192.0.2.1 sport 7 dport 8 proto 6 inbound mark 1/3", verb));
    ASSERT_EQ(outcome.messages.size(), 1u) << outcome.report;
    EXPECT_TRUE(outcome.messages[0] == expected) << verb;
  }
}

TEST(Request, OfAllSas) {
  for (const auto& [text, type, satype] :
       {std::tuple{"flush", Type::flush, SaType::unspec}, std::tuple{"flush all", Type::flush, SaType::unspec},
        std::tuple{"dump esp", Type::dump, SaType::esp}, std::tuple{"save AH", Type::dump, SaType::ah},
        std::tuple{"monitor", Type::x_promisc, SaType::unspec}}) {
    Message expected;
    expected.type = type, expected.satype = satype;
    const auto outcome = run(text, Where::prompt);
    ASSERT_EQ(outcome.messages.size(), 1u) << text;
    EXPECT_TRUE(outcome.messages[0] == expected) << text;
  }
}

// The addresses of each message, and the report.
std::string ways(std::string_view text) {
  const auto outcome = run(std::string("update esp spi 0x1000 ") + std::string(text));
  std::string out;
  for (const Message& m : outcome.messages)
    out += fmt::format("{} > {}\n", to_string(m.src->address), to_string(m.dst->address));
  return out + outcome.report;
}

TEST(Request, GoesToEachAddressOfTheDestination) {
  EXPECT_EQ(ways("dst two"), "0.0.0.0 > 192.0.2.8\n0.0.0.0 > 192.0.2.9\n");
  EXPECT_EQ(ways("dst both"), "0.0.0.0 > 192.0.2.7\n:: > 2001:db8::7\n");
  EXPECT_EQ(ways("dst6 both"), ":: > 2001:db8::7\n");
  EXPECT_EQ(ways("src both dst both"), "192.0.2.7 > 192.0.2.7\n2001:db8::7 > 2001:db8::7\n");
  EXPECT_EQ(ways("src6 both dst both"),
            "2001:db8::7 > 2001:db8::7\n"
            "keys:1:23: error: destination 192.0.2.7: src has no IPv4 address of the same scope\n");
  EXPECT_EQ(ways("src 192.0.2.1 dst both"),
            "192.0.2.1 > 192.0.2.7\n"
            "keys:1:23: error: destination 2001:db8::7: src has no IPv6 address of the same scope\n");
}

TEST(Request, ChoosesTheSourceOfTheDestinationsScope) {
  EXPECT_EQ(ways("src many-scopes dst six"), "2001:db8::8 > 2001:db8::6\n");
  EXPECT_EQ(ways("src many-scopes dst link"), "fe80::8 > fe80::1\n");
  EXPECT_EQ(ways("src many-scopes dst ::1"), "::1 > ::1\n");
  EXPECT_EQ(ways("src six dst link"),
            "keys:1:23: error: destination fe80::1: src has no IPv6 address of the same scope\n");
  EXPECT_EQ(ways("src 2001:db8::1 dst fe80::1"), "2001:db8::1 > fe80::1\n");  // A literal is what is meant.
  EXPECT_EQ(ways("src :: dst fe80::1"), ":: > fe80::1\n");
}

TEST(Request, AnySourceIsNone) {
  EXPECT_EQ(ways("src any dst 192.0.2.1"), "0.0.0.0 > 192.0.2.1\n");
  EXPECT_EQ(ways("src any dst both"), "0.0.0.0 > 192.0.2.7\n:: > 2001:db8::7\n");
  EXPECT_EQ(ways("src6 any dst six"), ":: > 2001:db8::6\n");
  EXPECT_EQ(ways("dst any"), "keys:1:23: error: dst needs an address: any is only for src, isrc and idst\n");
  EXPECT_EQ(ways("dst mypeer nat_loc any encap udp"),
            "keys:1:46: warning: encap is ignored: an update cannot change it\n"
            "keys:1:34: error: nat_loc needs an address: any is only for src, isrc and idst\n");
  const auto found = run("get esp spi 0x1000 src any dst 192.0.2.2");
  ASSERT_EQ(found.messages.size(), 1u) << found.report;
  EXPECT_FALSE(found.messages[0].src);
}

TEST(Request, AnyPortProtocolOrNetworkIsTheSameAsNone) {
  const auto same = [](std::string_view with, std::string_view without) {
    const auto add = [](std::string_view text) {
      return run(
          fmt::format("add esp spi 1 src 192.0.2.1 encralg null authalg md5 authkey "
                      "000102030405060708090a0b0c0d0e0f {}",
                      text));
    };
    const auto a = add(with), b = add(without);
    EXPECT_EQ(a.report, b.report) << with;
    ASSERT_EQ(a.messages.size(), 1u) << with << a.report;
    EXPECT_TRUE(a.messages[0] == b.messages.at(0)) << with;
  };
  same("dst 192.0.2.2 sport any dport any proto any", "dst 192.0.2.2");
  same("dst 192.0.2.2 sport any dport 7 proto 6", "dst 192.0.2.2 dport 7 proto 6");
  same("dst 192.0.2.2 isrc any idst 10.0.0.0/8", "dst 192.0.2.2 isrc 0.0.0.0/0 idst 10.0.0.0/8");
  same("dst 192.0.2.2 isrc 2001:db8::/32 idst any", "dst 192.0.2.2 isrc 2001:db8::/32 idst ::/0");
  same("dst 192.0.2.2 isrc any idst any", "dst 192.0.2.2 isrc 0.0.0.0/0 idst 0.0.0.0/0");
  same("dst 192.0.2.2 isrc6 any idst any", "dst 192.0.2.2 isrc ::/0 idst ::/0");
  same("dst 192.0.2.2 isrc 10.0.0.0/8 iproto any isport any idport any", "dst 192.0.2.2 isrc 10.0.0.0/8");
}

const std::string kEncapStays = "keys:1:34: warning: encap is ignored: an update cannot change it\n";

TEST(Request, RefusesWhatIsAmbiguous) {
  EXPECT_EQ(ways("src two dst mypeer"),
            "keys:1:23: error: for destination 192.0.2.3 the source two has 2 addresses; give one of them instead of "
            "the name\n");
  EXPECT_EQ(ways("dst mypeer isrc two"),
            "keys:1:34: error: two has 2 addresses; give one of them instead of the name\n");
  EXPECT_EQ(ways("dst mypeer idst both/8"),
            "keys:1:34: error: both has 2 addresses; give one of them instead of the name\n");
  EXPECT_EQ(ways("dst mypeer encap udp nat_loc two"),
            kEncapStays + "keys:1:44: error: two has 2 addresses; give one of them instead of the name\n");
  EXPECT_EQ(ways("dst mypeer encap udp nat_rem two"),
            kEncapStays + "keys:1:44: error: two has 2 addresses; give one of them instead of the name\n");
}

TEST(Request, RefusesNamesWithoutAnAddress) {
  EXPECT_EQ(ways("dst gone"), "keys:1:23: error: Unknown address gone: no such host\n");
  EXPECT_EQ(ways("dst gone src gone2x"),
            "keys:1:23: error: Unknown address gone: no such host\n"
            "keys:1:32: error: Unknown address gone2x: no such host\n");
  EXPECT_EQ(ways("dst6 mypeer"), "keys:1:23: error: Unknown address mypeer: it has no IPv6 address\n");
  EXPECT_EQ(ways("dst c0ffee15bad4c0de5ca1ab1edeadfa11"),
            "keys:1:27: error: dst: Unknown address (not shown): it may be a key and is not looked up as a name\n");
}

// A name server is somebody else's eyes.
TEST(Request, AsksNobodyForWhatMayBeAKey) {
  std::vector<std::string> asked;
  const Names names{[&](const std::string& name) -> Result<std::vector<Address>> {
                      asked.push_back(name);
                      return fail(Errc::not_found, "no such host");
                    },
                    {},
                    {}};
  const auto ask = [&](std::string_view word) {
    asked.clear();
    Parser parser(names);
    std::vector<Message> messages;
    if (auto command = parser.parse(fmt::format("delete esp spi 1 dst {}", word), Where::file))
      to_messages(std::move(*command), names, [](Objection&&) {}, messages);
    return asked;
  };
  for (const std::string_view word :
       {"0123456789abcdef", "0123456789ABCDEF.", "0x0123456789abcdef", "c0ffee15bad4c0de5ca1ab1edeadfa11"})
    EXPECT_EQ(ask(word), std::vector<std::string>()) << word;
  for (const std::string_view word : {"0123456789abcde", "0123456789abcdef.example", "0123456789abcdeg"})
    EXPECT_EQ(ask(word), std::vector<std::string>{std::string(word)});
}

TEST(Request, RefusesTunnelsThatContradictThemselves) {
  EXPECT_EQ(ways("dst mypeer isrc 10.0.0.0/8 idst 2001:db8::/32"),
            "keys:1:50: error: isrc and idst are of different address families\n");
  EXPECT_EQ(ways("dst mypeer isrc 10.0.0.0/8 proto 41"),
            "keys:1:50: error: proto is 41, but the inner addresses are IPv4: use proto 4\n");
  EXPECT_EQ(ways("dst mypeer idst 2001:db8::/32 ulp 4"),
            "keys:1:53: error: proto is 4, but the inner addresses are IPv6: use proto 41\n");
  EXPECT_EQ(ways("dst mypeer isrc mypeer/33"),
            "keys:1:34: error: a prefix length of 33 is too long; the longest is 32\n");
  EXPECT_EQ(ways("dst mypeer encap udp nat_rem six"),
            kEncapStays + "keys:1:44: error: NAT traversal works only with IPv4 addresses\n");
}

}  // namespace
}  // namespace ipseckey::lang
