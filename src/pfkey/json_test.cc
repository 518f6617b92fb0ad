#include "pfkey/json.h"

#include <gmock/gmock.h>

#include "pfkey/notices.h"
#include "pfkey/test_samples.h"

namespace ipseckey::pfkey {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

JsonOptions options() {
  JsonOptions o;
  o.sadb = "memory";
  o.now = samples::now();
  return o;
}

std::string sa(const Message& m, const JsonOptions& o) {
  SecretText out;
  json_sa(m, o, out);
  return std::string(out);
}

std::string message(const Message& m, const JsonOptions& o) {
  SecretText out;
  json_message(m, o, out);
  return std::string(out);
}

// Everything of the tunnel SA before its keys.
constexpr std::string_view kTunnel =
    R"({"kind":"sa","sadb":"memory","satype":"esp","spi":8466,"state":"mature","mode":"tunnel","flags":201555968,)"
    R"("flag_names":["outbound","paired","tunnel","ealg1","ealg2"],"auth_alg":{"number":5,"name":"hmac-sha256"},)"
    R"("encr_alg":{"number":20,"name":"aes-gcm"},"replay_window":64,"replay_value":17,)"
    R"("src":{"address":"192.0.2.1","prefix":0,"proto":4,"port":0},)"
    R"("dst":{"address":"192.0.2.2","prefix":0,"proto":4,"port":0},)"
    R"("inner_src":{"address":"10.1.0.0","prefix":16,"proto":6,"port":99},)"
    R"("inner_dst":{"address":"10.2.0.0","prefix":16,"proto":6,"port":0},)"
    R"("current":{"allocations":0,"bytes":16000000,"addtime":1795230000,"usetime":1795230100},)"
    R"("soft":{"allocations":0,"bytes":104857600,"addtime":24000,"usetime":3000},)"
    R"("hard":{"allocations":0,"bytes":209715200,"addtime":28800,"usetime":0},)"
    R"("idle":{"allocations":0,"bytes":0,"addtime":14400,"usetime":0},)"
    R"("src_identity":{"type":"fqdn","text":"east.example.com","id":0},)"
    R"("dst_identity":{"type":"user_fqdn","text":"west\u001b[2J@example.com","id":0},"pair":{"spi":8467},)";

TEST(Json, ASaIsOneLineWithEveryFieldAndItsKeys) {
  EXPECT_EQ(sa(samples::tunnel_sa(), options()),
            std::string(kTunnel) +
                R"("auth_key":{"bits":256,"hex":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},)"
                R"("encr_key":{"bits":128,"hex":"00112233445566778899aabbccddeeff","salt_bits":32,"salt":"a1b2c3d4"}})"
                "\n");
}

TEST(Json, ParanoidAndKeylessDocumentsHaveSizesAlone) {
  const std::string expected = std::string(kTunnel) +
                               R"("auth_key":{"bits":256},"encr_key":{"bits":128,"salt_bits":32}})"
                               "\n";
  JsonOptions paranoid = options(), keyless = options();
  paranoid.paranoid = true;
  keyless.keys = false;
  EXPECT_EQ(sa(samples::tunnel_sa(), paranoid), expected);
  EXPECT_EQ(sa(samples::tunnel_sa(), keyless), expected);
}

TEST(Json, AMessageSaysTypeAndRefusal) {
  Message m = samples::header(Type::add, SaType::esp, 1, 4242);
  m.error = 22, m.diagnostic = 18;
  EXPECT_EQ(message(m, options()),
            R"({"kind":"message","sadb":"memory","time":1795230245,"type":"ADD","satype":"esp","seq":1,"pid":4242,)"
            R"j("errno":22,"error":"Invalid argument (EINVAL)","diagnostic":18,)j"
            R"("diagnostic_text":"a source address is needed"})"
            "\n");
  JsonOptions timeless = options();
  timeless.now.reset();
  EXPECT_EQ(message(samples::header(Type{77}, SaType{9}, 0, 0), timeless),
            R"({"kind":"message","sadb":"memory","type":"77","satype":"9","seq":0,"pid":0,"errno":0,"diagnostic":0})"
            "\n");
}

TEST(Json, AGapSaysHowManyAreLost) {
  EXPECT_EQ(message(gap_notice(12), options()), R"({"kind":"gap","sadb":"memory","time":1795230245,"lost":12})"
                                                "\n");
}

TEST(Json, KeyManagementExtensions) {
  const Message all = samples::everything();
  Message m = samples::header(Type::acquire, SaType::unspec, 0xfffffffe, 0);
  m.km_cookie = all.km_cookie;
  m.proposal = all.proposal;
  m.extended_proposal = all.extended_proposal;
  m.supported_auth = all.supported_auth;
  m.spi_range = all.spi_range;
  m.extended_register = all.extended_register;
  m.extended_dump = all.extended_dump;
  m.outer_sensitivity = all.outer_sensitivity;
  EXPECT_EQ(
      message(m, options()),
      R"({"kind":"message","sadb":"memory","time":1795230245,"type":"ACQUIRE","satype":"all","seq":4294967294,"pid":0,)"
      R"("errno":0,"diagnostic":0,)"
      R"("outer_label":{"domain":1,"level":3,"integrity":4,"flags":1,"compartments":[1,2],"integrity_compartments":[3]},)"
      R"("km_cookie":{"protocol":3,"name":"ikev2","cookie":72623859790382856},)"
      R"("proposal":{"replay_window":64,"combinations":[{"auth_alg":{"number":2,"name":"hmac-md5"},)"
      R"("auth_min_bits":128,"auth_max_bits":128,"encr_alg":{"number":12,"name":"aes-cbc"},"encr_min_bits":128,)"
      R"("encr_max_bits":256,"encr_salt_bits":0,"flags":1,)"
      R"("soft":{"allocations":0,"bytes":1048576,"addtime":24000,"usetime":0},)"
      R"("hard":{"allocations":5,"bytes":0,"addtime":28800,"usetime":60}}]},)"
      R"("extended_proposal":{"replay_window":32,"combinations":[{"algorithms":[)"
      R"({"satype":"ah","kind":1,"number":5,"name":"hmac-sha256","min_bits":256,"max_bits":256,"salt_bits":0},)"
      R"({"satype":"esp","kind":2,"number":20,"name":"aes-gcm","min_bits":128,"max_bits":256,"salt_bits":32}],)"
      R"("flags":0,"soft":{"allocations":0,"bytes":0,"addtime":0,"usetime":0},)"
      R"("hard":{"allocations":0,"bytes":0,"addtime":3600,"usetime":0}},{"algorithms":[],"flags":2,)"
      R"("soft":{"allocations":0,"bytes":0,"addtime":0,"usetime":0},)"
      R"("hard":{"allocations":0,"bytes":0,"addtime":0,"usetime":0}}]},)"
      R"("supported_auth":[{"number":5,"name":"hmac-sha256","min_bits":256,"max_bits":256,"step_bits":0,)"
      R"("salt_bits":0,"iv_bytes":0}],"spi_range":{"min":256,"max":4294967295},"extended_register":["ah","esp"],)"
      R"("dump_timeout":60})"
      "\n");
}

TEST(Json, NumbersOf64BitsStayExact) {
  Message m = samples::header(Type::add, SaType::esp, 1, 1);
  m.hard = Lifetime{UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
  EXPECT_THAT(message(m, options()), HasSubstr(R"("hard":{"allocations":4294967295,"bytes":18446744073709551615,)"
                                               R"("addtime":18446744073709551615,"usetime":18446744073709551615})"));
}

TEST(Json, TextThatIsNotUtf8HasItsOctetsBesideIt) {
  Message m = samples::header(Type::add, SaType::esp, 1, 1);
  m.src_identity = Identity{IdentityType::x_dn, 0, "a\xff"};
  m.dst_identity = Identity{IdentityType::fqdn, 0, "\xc3\xa4"};
  EXPECT_THAT(message(m, options()),
              EndsWith(R"("src_identity":{"type":"der_dn","text":"a\ufffd","id":0,"hex":"61ff"},)"
                       R"("dst_identity":{"type":"fqdn","text":"\u00e4","id":0,"hex":"c3a4"}})"
                       "\n"));
}

TEST(Json, AnExplicitIvIsPartOfTheKeyOrSeparate) {
  Message m = samples::header(Type::add, SaType::esp, 1, 1);
  m.sa = Sa{1, 0, State::mature, 0, 20, 0};
  m.encrypt_key = samples::key(224, 64, "00112233445566778899aabbccddeeffa1b2c3d40123456789abcdef");
  m.initial_iv = samples::key(64, 0, "fedcba9876543210");
  EXPECT_THAT(message(m, options()),
              EndsWith(R"("encr_key":{"bits":128,"hex":"00112233445566778899aabbccddeeff","salt_bits":32,)"
                       R"("salt":"a1b2c3d4","iv_bits":64,"iv":"0123456789abcdef"},)"
                       R"("initial_iv":{"bits":64,"hex":"fedcba9876543210"}})"
                       "\n"));
  JsonOptions paranoid = options();
  paranoid.paranoid = true;
  EXPECT_THAT(message(m, paranoid),
              EndsWith(R"("encr_key":{"bits":128,"salt_bits":32,"iv_bits":64},"initial_iv":{"bits":64}})"
                       "\n"));
}

TEST(Json, ReportsOfCheckAndLoad) {
  Report report;
  report.sadb = "memory";
  report.file = "keys";
  report.commands = 3, report.succeeded = 1, report.failed = 2;
  report.faults.push_back({false, "keys", 2, 9, 6, "unknown keyword"});
  report.faults.push_back({true, "keys", 3, 0, 0, "counter mode"});
  std::string out;
  json_report(report, out);
  report.kind = Report::Kind::load;
  report.faults.clear();
  json_report(report, out);
  EXPECT_EQ(out, R"({"kind":"check","sadb":"memory","file":"keys","commands":3,"valid":1,"failed":2,"faults":[)"
                 R"({"severity":"error","file":"keys","line":2,"column":9,"length":6,"message":"unknown keyword"},)"
                 R"({"severity":"warning","file":"keys","line":3,"column":0,"length":0,"message":"counter mode"}]})"
                 "\n"
                 R"({"kind":"load","sadb":"memory","file":"keys","commands":3,"succeeded":1,"failed":2,"faults":[]})"
                 "\n");
}

}  // namespace
}  // namespace ipseckey::pfkey
