#include "pfkey/print.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <time.h>

#include "pfkey/notices.h"
#include "pfkey/test_samples.h"

namespace ipseckey::pfkey {
namespace {

using samples::endpoint;
using samples::key;

class Print : public testing::Test {
 protected:
  Print() {
    setenv("TZ", "UTC0", 1);
    tzset();
    options_.now = samples::now();
  }

  std::string sa(const Message& m) const {
    SecretText out;
    print_sa(m, options_, out);
    return std::string(out);
  }
  std::string message(const Message& m) const {
    SecretText out;
    print_message(m, options_, out);
    return std::string(out);
  }

  PrintOptions options_;
};

TEST_F(Print, ATunnelSaWithAllThatAnSaCanHave) {
  EXPECT_EQ(sa(samples::tunnel_sa()),
            "esp spi 0x2112  192.0.2.1 -> 192.0.2.2  mature\n"
            "  mode      tunnel, outbound\n"
            "  proto     4\n"
            "  inner src 10.1.0.0/16 port 99\n"
            "  inner dst 10.2.0.0/16\n"
            "  iproto    6\n"
            "  auth      hmac-sha256\n"
            "  auth key  000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f/256\n"
            "  encr      aes-gcm\n"
            "  encr key  00112233445566778899aabbccddeeff/128\n"
            "  salt      a1b2c3d4/32\n"
            "  replay    window 64, last number 17\n"
            "  src id    fqdn \"east.example.com\"\n"
            "  dst id    user_fqdn \"west\\x1b[2J@example.com\"\n"
            "  pair      spi 0x2113\n"
            "  flags     outbound, paired, tunnel, ealg1, ealg2 (0xc038000)\n"
            "  lifetime           current       soft           hard        idle\n"
            "    bytes            15.26 MiB     100.00 MiB     200.00 MiB  -\n"
            "    bytes left       -             84.74 MiB      184.74 MiB  -\n"
            "    since add        4.08 minutes  6.67 hours     8.00 hours  4.00 hours\n"
            "    since first use  2.42 minutes  50.00 minutes  -           -\n"
            "  added     2026-11-21 03:00:00 UTC\n"
            "  first use 2026-11-21 03:01:40 UTC\n"
            "  soft due  2026-11-21 03:51:40 UTC, in 47.58 minutes\n"
            "  hard due  2026-11-21 11:00:00 UTC, in 7.93 hours\n");
}

TEST_F(Print, VerboseAddsTheRawNumbers) {
  options_.verbose = true;
  EXPECT_THAT(sa(samples::tunnel_sa()),
              testing::EndsWith("  lifetime           current       soft           hard        idle\n"
                                "    bytes            15.26 MiB     100.00 MiB     200.00 MiB  -\n"
                                "      in bytes       16000000      104857600      209715200   -\n"
                                "    bytes left       -             84.74 MiB      184.74 MiB  -\n"
                                "      in bytes       -             88857600       193715200   -\n"
                                "    since add        4.08 minutes  6.67 hours     8.00 hours  4.00 hours\n"
                                "      in seconds     245           24000          28800       14400\n"
                                "    since first use  2.42 minutes  50.00 minutes  -           -\n"
                                "      in seconds     145           3000           -           -\n"
                                "  added     2026-11-21 03:00:00 UTC (1795230000)\n"
                                "  first use 2026-11-21 03:01:40 UTC (1795230100)\n"
                                "  soft due  2026-11-21 03:51:40 UTC (1795233100), in 47.58 minutes (2855 seconds)\n"
                                "  hard due  2026-11-21 11:00:00 UTC (1795258800), in 7.93 hours (28555 seconds)\n"));
}

Message plain_ah() {
  Message m = samples::header(Type::dump, SaType::ah, 3, 42);
  m.sa = Sa{0x100, 0, State::dying, 2, 0, kFlagInbound};
  m.current = Lifetime{0, 0, 1795230000, 0};
  m.soft = Lifetime{0, 0, 240, 0};
  m.src = endpoint("::");
  m.dst = endpoint("2001:db8::2", 53, 17);
  m.auth_key = key(128, 0, "bde359723576fdea08e56cbe876e24ad");
  return m;
}

TEST_F(Print, TheDefaultIdleLimitIsMarkedAsOne) {
  Message m = plain_ah();
  m.soft.reset(), m.hard = Lifetime{0, 0, 3601, 0};
  const auto idle_line = [&] {
    const std::string text = sa(m);
    const auto at = text.find("\n  idle ");
    return at == std::string::npos ? "" : text.substr(at + 1);
  };
  EXPECT_EQ(idle_line(), "");  // The kernel has none.
  options_.idles = true;
  EXPECT_EQ(idle_line(), "  idle      after 30.00 minutes without use: the default, half of hard\n");
  options_.verbose = true;
  EXPECT_EQ(idle_line(), "  idle      after 30.00 minutes (1800 seconds) without use: the default, half of hard\n");
  for (const Lifetime& hard : {Lifetime{}, Lifetime{1, 1, 1, 1}, Lifetime{0, 5, 0, 5}}) {
    m.hard = hard;
    EXPECT_EQ(idle_line(), "");
  }
  m.hard = Lifetime{0, 0, 3600, 0}, m.idle = Lifetime{0, 0, 0, 60};  // Asked for, if only after use.
  EXPECT_EQ(idle_line(), "");
}

TEST_F(Print, APlainSaSaysOnlyWhatIsSet) {
  EXPECT_EQ(sa(plain_ah()),
            "ah spi 0x100  any -> 2001:db8::2  dying\n"
            "  mode      transport, inbound\n"
            "  dst       2001:db8::2 port 53\n"
            "  proto     any at the source, 17 at the destination\n"
            "  auth      hmac-md5\n"
            "  auth key  bde359723576fdea08e56cbe876e24ad/128\n"
            "  replay    no window\n"
            "  flags     inbound (0x4000)\n"
            "  lifetime     current       soft\n"
            "    bytes      0 bytes       -\n"
            "    since add  4.08 minutes  4.00 minutes\n"
            "  added     2026-11-21 03:00:00 UTC\n"
            "  first use not yet\n"
            "  soft due  2026-11-21 03:04:00 UTC, which is past\n");
}

TEST_F(Print, ParanoidShowsAnXForEachDigit) {
  options_.paranoid = true;
  const std::string out = sa(samples::tunnel_sa());
  EXPECT_THAT(out, testing::HasSubstr("  auth key  " + std::string(64, 'X') +
                                      "/256\n"
                                      "  encr      aes-gcm\n"
                                      "  encr key  " +
                                      std::string(32, 'X') +
                                      "/128\n"
                                      "  salt      XXXXXXXX/32\n"));
  EXPECT_THAT(out, testing::Not(testing::HasSubstr("1122")));
}

TEST_F(Print, WithoutKeysOnlyTheirLengthsAreNamed) {
  options_.keys = false;
  const std::string out = sa(samples::tunnel_sa());
  EXPECT_THAT(out, testing::HasSubstr("  auth key  256 bits, not shown\n"
                                      "  encr      aes-gcm\n"
                                      "  encr key  128 bits, not shown\n"
                                      "  salt      32 bits, not shown\n"));
  EXPECT_THAT(out, testing::Not(testing::HasSubstr("1122")));
}

TEST_F(Print, NamesAppearBesideNumbers) {
  options_.host_name = [](const Address& a) -> std::optional<std::string> {
    if (a == *parse_address("2001:db8::2")) return "evil\x1b[2J.example.com";
    return std::nullopt;
  };
  options_.protocol_name = [](std::uint8_t n) { return n == 17 ? std::optional<std::string>("udp") : std::nullopt; };
  EXPECT_THAT(sa(plain_ah()), testing::HasSubstr("  dst       2001:db8::2 port 53 (evil\\x1b[2J.example.com)\n"
                                                 "  proto     any at the source, 17 (udp) at the destination\n"));
  options_.numeric = true;
  EXPECT_THAT(sa(plain_ah()), testing::HasSubstr("  dst       2001:db8::2 port 53\n"
                                                 "  proto     any at the source, 17 at the destination\n"));
}

TEST_F(Print, WithoutNowTheresNoAgeButStillATime) {
  options_.now.reset();
  EXPECT_THAT(sa(plain_ah()), testing::EndsWith("  lifetime     current  soft\n"
                                                "    bytes      0 bytes  -\n"
                                                "    since add  -        4.00 minutes\n"
                                                "  added     2026-11-21 03:00:00 UTC\n"
                                                "  first use not yet\n"
                                                "  soft due  2026-11-21 03:04:00 UTC\n"));
}

TEST_F(Print, ARequestIsPrintedAsItWillBeSent) {
  Message m = samples::header(Type::add, SaType::esp, 1, 4242);
  m.sa = Sa{0x2345, 0, State::mature, 0, 20, 0};
  m.encrypt_key = key(160, 0, "00112233445566778899aabbccddeeffa1b2c3d4");
  m.hard = Lifetime{10, 0, 0, 60};
  m.src = endpoint("192.0.2.1");
  m.dst = endpoint("192.0.2.2");
  EXPECT_EQ(message(m),
            "ADD esp spi 0x2345  192.0.2.1 -> 192.0.2.2  mature  seq 1 pid 4242\n"
            "  encr      aes-gcm\n"
            "  encr key  00112233445566778899aabbccddeeff/128\n"
            "  salt      a1b2c3d4/32\n"
            "  lifetime           hard\n"
            "    allocations      10\n"
            "    since first use  1.00 minute\n");
}

TEST_F(Print, AnExplicitIvIsShownApart) {
  Message m = samples::header(Type::add, SaType::esp, 1, 4242);
  m.sa = Sa{0x2345, 0, State::mature, 0, 20, 0};
  m.encrypt_key = key(224, 64, "00112233445566778899aabbccddeeffa1b2c3d40123456789abcdef");
  EXPECT_EQ(message(m),
            "ADD esp spi 0x2345  mature  seq 1 pid 4242\n"
            "  encr      aes-gcm\n"
            "  encr key  00112233445566778899aabbccddeeff/128\n"
            "  salt      a1b2c3d4/32\n"
            "  iv        0123456789abcdef/64\n");
}

TEST_F(Print, KeySizesThatContradictTheAlgorithmGiveOneKey) {
  Message m = samples::header(Type::add, SaType::esp, 1, 4242);
  m.sa = Sa{0x2345, 0, State::mature, 0, 20, 0};
  m.encrypt_key = key(24, 0, "a1b2c3");
  EXPECT_THAT(message(m), testing::EndsWith("  encr key  a1b2c3/24\n"));
  m.encrypt_key = key(24, 9000, "a1b2c3");
  EXPECT_THAT(message(m), testing::EndsWith("  encr key  a1b2c3/24\n"));
}

TEST_F(Print, ARefusalSaysErrnoAndDiagnostic) {
  Message m = samples::header(Type::add, SaType::esp, 1, 4242);
  m.error = 22, m.diagnostic = 18;
  options_.timestamp = true;
  EXPECT_EQ(message(m),
            "2026-11-21 03:04:05 UTC  ADD esp  seq 1 pid 4242\n"
            "  error     Invalid argument (EINVAL), Diagnostic code 18: a source address is needed\n");
}

TEST_F(Print, ExpireSaysWhichLimit) {
  Message m = samples::header(Type::expire, SaType::ah, 0, 0);
  m.sa = Sa{0x100, 0, State::dead, 2, 0, kFlagInbound};
  m.current = Lifetime{0, 512, 1795230000, 1795230000};
  m.hard = Lifetime{0, 512, 0, 0};
  m.src = endpoint("192.0.2.1");
  m.dst = endpoint("192.0.2.2");
  EXPECT_EQ(message(m),
            "EXPIRE hard ah spi 0x100  192.0.2.1 -> 192.0.2.2  dead  seq 0 pid 0\n"
            "  mode      transport, inbound\n"
            "  auth      hmac-md5\n"
            "  replay    no window\n"
            "  flags     inbound (0x4000)\n"
            "  lifetime           current       hard\n"
            "    bytes            512 bytes     512 bytes\n"
            "    bytes left       -             0 bytes\n"
            "    since add        4.08 minutes  -\n"
            "    since first use  4.08 minutes  -\n"
            "  added     2026-11-21 03:00:00 UTC\n"
            "  first use 2026-11-21 03:00:00 UTC\n");
  std::swap(m.hard, m.soft);
  EXPECT_THAT(message(m), testing::StartsWith("EXPIRE soft ah "));
  std::swap(m.soft, m.idle);
  EXPECT_THAT(message(m), testing::StartsWith("EXPIRE idle ah "));
}

TEST_F(Print, EachTypeHasItsSummary) {
  const auto summary = [&](Type type, SaType satype, std::uint32_t seq) {
    return message(samples::header(type, satype, seq, 42));
  };
  EXPECT_EQ(summary(Type::flush, SaType::unspec, 2), "FLUSH all  seq 2 pid 42\n");
  EXPECT_EQ(summary(Type::dump, SaType::esp, 2), "DUMP esp  seq 2 pid 42\n");
  EXPECT_EQ(summary(Type::dump, SaType::esp, 0), "DUMP end esp  seq 0 pid 42\n");
  EXPECT_EQ(summary(Type::x_promisc, SaType{1}, 2), "X_PROMISC on  seq 2 pid 42\n");
  EXPECT_EQ(summary(Type::x_promisc, SaType::unspec, 2), "X_PROMISC off  seq 2 pid 42\n");
  EXPECT_EQ(summary(Type{77}, SaType{9}, 2), "77 9  seq 2 pid 42\n");
}

TEST_F(Print, GetspiShowsTheLarvalSa) {
  Message m = samples::header(Type::getspi, SaType::esp, 9, 42);
  m.sa = Sa{0xabc, 0, State::larval, 0, 0, 0};
  m.src = endpoint("192.0.2.1");
  m.dst = endpoint("192.0.2.2");
  m.spi_range = SpiRange{0x100, 0xffffffff};
  EXPECT_EQ(message(m),
            "GETSPI esp spi 0xabc  192.0.2.1 -> 192.0.2.2  larval  seq 9 pid 42\n"
            "  spi range 0x100 to 0xffffffff\n");
}

TEST_F(Print, AGapIsOneLine) {
  EXPECT_EQ(message(gap_notice(12)), "GAP 12 messages lost: this listener is too slow\n");
  options_.timestamp = true;
  EXPECT_EQ(message(gap_notice(1)), "2026-11-21 03:04:05 UTC  GAP 1 message lost: this listener is too slow\n");
}

TEST_F(Print, RegisterListsTheAlgorithms) {
  Message m = samples::header(Type::reg, SaType::esp, 1, 42);
  m.supported_auth = samples::everything().supported_auth;
  m.supported_encrypt = samples::everything().supported_encrypt;
  EXPECT_EQ(message(m),
            "REGISTER esp  seq 1 pid 42\n"
            "  auth algs hmac-sha256 256 bits\n"
            "  encr algs aes-cbc 128 to 256 bits in steps of 64, iv 16 bytes\n"
            "            aes-gcm 128 to 256 bits in steps of 64, salt 32 bits, iv 8 bytes\n");
}

TEST_F(Print, IcmpHasATypeAndACode) {
  Message m = samples::header(Type::acquire, SaType::unspec, 1, 0);
  m.src = endpoint("192.0.2.1", 256, 1);
  m.dst = endpoint("192.0.2.2", 0, 1);
  m.inner_src = endpoint("10.1.0.0", 1, 58, 16);
  m.inner_dst = endpoint("10.2.0.0", 256, 58, 16);
  EXPECT_EQ(message(m),
            "ACQUIRE all  192.0.2.1 -> 192.0.2.2  seq 1 pid 0\n"
            "  src       192.0.2.1 ICMP type 0\n"
            "  proto     1\n"
            "  inner src 10.1.0.0/16 ICMP type 1\n"
            "  inner dst 10.2.0.0/16 ICMP code 0\n"
            "  iproto    58\n");
}

TEST_F(Print, AcquireShowsItsProposals) {
  const Message all = samples::everything();
  Message m = samples::header(Type::acquire, SaType::unspec, 0xfffffffe, 0);
  m.src = endpoint("192.0.2.1", 1024, 6);
  m.dst = endpoint("192.0.2.2", 80, 6);
  m.proposal = all.proposal;
  m.extended_proposal = all.extended_proposal;
  m.km_cookie = all.km_cookie;
  EXPECT_EQ(message(m),
            "ACQUIRE all  192.0.2.1 -> 192.0.2.2  seq 4294967294 pid 0\n"
            "  src       192.0.2.1 port 1024\n"
            "  dst       192.0.2.2 port 80\n"
            "  proto     6\n"
            "  manager   ikev2, cookie 0x102030405060708\n"
            "  proposal  replay window 64\n"
            "    1       auth hmac-md5 128 bits; encr aes-cbc 128 to 256 bits; flags 0x1\n"
            "            soft 1.00 MiB, 6.67 hours after add\n"
            "            hard 5 allocations, 8.00 hours after add, 1.00 minute after first use\n"
            "  proposal  replay window 32\n"
            "    1       ah auth hmac-sha256 256 bits\n"
            "            esp encr aes-gcm 128 to 256 bits, salt 32 bits\n"
            "            soft no limit\n"
            "            hard 1.00 hour after add\n"
            "    2       no algorithm\n"
            "            flags 0x2\n"
            "            soft no limit\n"
            "            hard no limit\n");
}

TEST_F(Print, EverythingElseHasItsLinesToo) {
  const Message all = samples::everything();
  Message m = samples::header(Type::update, SaType::esp, 1, 42);
  m.natt_local = all.natt_local;
  m.natt_remote = all.natt_remote;
  m.inner_src = endpoint("0.0.0.0");
  m.sensitivity = all.sensitivity;
  m.outer_sensitivity = all.outer_sensitivity;
  m.replay_value = ReplayValue{0, 5000000000};
  m.extended_register = all.extended_register;
  m.extended_dump = all.extended_dump;
  m.initial_iv = all.initial_iv->clone();
  m.reqid = all.reqid, m.mark = all.mark, m.if_id = all.if_id, m.ah_align = all.ah_align;
  m.icv = all.icv, m.tfc_pad = all.tfc_pad, m.output_mark = all.output_mark, m.device = all.device, m.df = all.df;
  m.dscp = all.dscp, m.keepalive = all.keepalive, m.bundle = all.bundle;
  m.replay_window = all.replay_window, m.offload = all.offload;
  m.remark = Remark{"a \x1b remark"};
  EXPECT_EQ(message(m),
            "UPDATE esp  seq 1 pid 42\n"
            "  inner src 0.0.0.0/0\n"
            "  nat local 203.0.113.5 port 4500\n"
            "  nat peer  198.51.100.7 port 4501\n"
            "  iv        0123456789abcdef/64\n"
            "  replay    window 1024, extended sequence numbers, last number 5000000000\n"
            "  label     level 2, integrity 0, domain 1\n"
            "            compartments 8000000000000001\n"
            "  outer lbl level 3, integrity 4, domain 1, flags 0x1 (implicit)\n"
            "            compartments 0000000000000001 0000000000000002\n"
            "            integrity compartments 0000000000000003\n"
            "  reqid     16385\n"
            "  mark      0x10/0xff\n"
            "  if_id     0x7\n"
            "  align     AH is a multiple of 8 bytes\n"
            "  icv       96 bits\n"
            "  tfcpad    to 1400 bytes\n"
            "  out mark  0x5/0xf\n"
            "  dev       eth1\n"
            "  df        clear\n"
            "  dscp      46\n"
            "  keepalive each 20 seconds\n"
            "  bundle    3\n"
            "  offload   packet eth0\n"
            "  register  ah, esp\n"
            "  timeout   1.00 minute\n"
            "  remark    a \\x1b remark\n");
}

}  // namespace
}  // namespace ipseckey::pfkey
