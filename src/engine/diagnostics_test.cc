// One row for each diagnostic that the engine sends, and the list of them in doc/reference/pf-key.md.
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using pfkey::Diagnostic;
using pfkey::Lifetime;
using pfkey::State;
using D = Diagnostic;

constexpr std::uint32_t kThere = 0x100;     ///< An ESP SA of the engine, 192.0.2.1 to 192.0.2.2, outbound.
constexpr std::uint32_t kPartner = 0x200;   ///< One in the opposite direction, inbound; unpaired.
constexpr std::uint32_t kPaired = 0x301;    ///< Inbound, paired with 0x300.
constexpr std::uint32_t kReceiver = 0x400;  ///< Inbound, without a replay window.

void populate(Engine& engine) {
  Message there = add_esp(kThere);
  there.sa->flags = pfkey::kFlagOutbound;
  there.km_cookie = pfkey::KmCookie{1, 77};
  there.replay_value = pfkey::ReplayValue{.low = 500};
  Message partner = reversed(add_esp(kPartner));
  partner.sa->flags = pfkey::kFlagInbound;
  Message first = add_esp(0x300), second = reversed(add_esp(kPaired));
  first.sa->flags = pfkey::kFlagOutbound, second.sa->flags = pfkey::kFlagInbound;
  second.pair = pfkey::Pair{0x300};
  Message receiver = reversed(add_esp(kReceiver));
  receiver.sa->flags = pfkey::kFlagInbound;
  for (Message* m : {&there, &partner, &first, &second, &receiver}) ASSERT_EQ(outcome(engine, std::move(*m)), kDone);
}

Message update_esp(std::uint32_t spi = kThere) { return request(Type::update, SaType::esp, spi); }
Message typed(Message m, Type type) {
  m.type = type;
  return m;
}
template <class Spoil>
Message but(Message m, Spoil spoil) {
  spoil(m);
  return m;
}
Message tunnel() {
  return but(add_esp(1), [](Message& m) {
    m.sa->flags = pfkey::kFlagTunnel;
    m.inner_src = endpoint("10.0.0.0", 8), m.inner_dst = endpoint("10.1.0.0", 16);
  });
}
struct Row {
  D diagnostic;
  unsigned error;
  const char* what;
  Message (*request)();
  bool explained = false;  // Pairs always are.
};

#define BUT(base, ...) [] { return but(base, [](Message& m) { __VA_ARGS__; }); }

const Row kRows[] = {
    {D::unknown_msg, EINVAL, "no such type", [] { return typed(Message{}, static_cast<Type>(99)); }},
    {D::unknown_ext, EINVAL, "an IV of its own", BUT(add_esp(1), m.initial_iv = key(16))},
    {D::unknown_ext, EINVAL, "a remark", BUT(add_esp(1), m.remark.emplace())},
    {D::unknown_satype, EINVAL, "RSVP", BUT(add_esp(1), m.satype = SaType{5})},
    {D::unknown_satype, EINVAL, "RSVP in a list",
     BUT(request(Type::reg, SaType{}), m.extended_register = pfkey::ExtendedRegister{{2, 5}})},
    {D::satype_needed, EINVAL, "no SA type", BUT(add_esp(1), m.satype = SaType{})},
    {D::satype_needed, EINVAL, "register for nothing", [] { return request(Type::reg, SaType{}); }},
    {D::satype_needed, EINVAL, "acquire of any type", [] { return request(Type::acquire, SaType{}); }},
    {D::no_ext, EINVAL, "flush of one SA", [] { return request(Type::flush, SaType::esp, kThere); }},
    {D::af_mismatch, EINVAL, "v6 to v4", BUT(add_esp(1), m.src = endpoint("2001:db8::1"))},
    {D::af_mismatch, EINVAL, "v4 to v6", BUT(add_esp(1), m.dst = endpoint("2001:db8::1"))},
    {D::af_mismatch, EINVAL, "the IPv4 wildcard to v6",
     BUT(add_esp(1), m.src = endpoint("0.0.0.0"); m.dst = endpoint("2001:db8::1"))},
    {D::bad_src, EINVAL, "multicast source", BUT(add_esp(1), m.src = endpoint("224.0.0.5"))},
    {D::bad_src, EINVAL, "mapped multicast source", BUT(add_esp(1), m.src = endpoint("::ffff:224.0.0.5"))},
    {D::bad_dst, EINVAL, "unspecified destination", BUT(add_esp(1), m.dst = endpoint("0.0.0.0"))},
    {D::alloc_hserr, EINVAL, "soft above hard", BUT(add_esp(1), m.hard = {{1, 1, 1, 1}}; m.soft = {{2, 2, 2, 2}})},
    {D::bytes_hserr, EINVAL, "soft above hard", BUT(add_esp(1), m.hard = {{2, 1, 1, 1}}; m.soft = {{2, 2, 2, 2}})},
    {D::addtime_hserr, EINVAL, "soft above hard", BUT(add_esp(1), m.hard = {{2, 2, 1, 1}}; m.soft = {{2, 2, 2, 2}})},
    {D::usetime_hserr, EINVAL, "soft above hard", BUT(add_esp(1), m.hard = {{2, 2, 2, 1}}; m.soft = {{2, 2, 2, 2}})},
    {D::addtime_hserr, EINVAL, "idle above soft",
     BUT(add_esp(1), m.hard = {{0, 0, 9, 9}}; m.soft = {{0, 0, 5, 5}}; m.idle = {{0, 0, 6, 6}})},
    {D::addtime_hserr, EINVAL, "idle above hard",
     BUT(add_esp(1), m.hard = {{0, 0, 5, 5}}; m.soft.emplace(); m.idle = {{0, 0, 6, 6}})},
    {D::usetime_hserr, EINVAL, "idle above soft",
     BUT(add_esp(1), m.hard = {{0, 0, 9, 9}}; m.soft = {{0, 0, 5, 5}}; m.idle = {{0, 0, 5, 6}})},
    {D::bytes_hserr, EINVAL, "in an update", BUT(update_esp(), m.hard = {{0, 1, 0, 0}}; m.soft = {{0, 2, 0, 0}})},
    {D::missing_src, EINVAL, "add", BUT(add_esp(1), m.src.reset())},
    {D::missing_src, EINVAL, "update", BUT(update_esp(), m.src.reset())},
    {D::missing_src, EINVAL, "getspi", BUT(getspi(0x1000, 0x2000), m.src.reset())},
    {D::missing_src, EINVAL, "by state", BUT(typed(update_esp(), Type::x_delpair_state), m.src.reset())},
    {D::missing_src, EINVAL, "inverse", BUT(typed(update_esp(), Type::x_inverse_acquire), m.src.reset())},
    {D::missing_dst, EINVAL, "add", BUT(add_esp(1), m.dst.reset())},
    {D::missing_dst, EINVAL, "update", BUT(update_esp(), m.dst.reset(); m.src.reset(); m.sa.reset())},
    {D::missing_dst, EINVAL, "get", BUT(typed(update_esp(), Type::get), m.dst.reset(); m.sa.reset())},
    {D::missing_dst, EINVAL, "delete", BUT(typed(update_esp(), Type::del), m.dst.reset())},
    {D::missing_dst, EINVAL, "getspi", BUT(getspi(0x1000, 0x2000), m.dst.reset())},
    {D::missing_sa, EINVAL, "add", BUT(add_esp(1), m.sa.reset())},
    {D::missing_sa, EINVAL, "update", BUT(update_esp(), m.sa.reset())},
    {D::missing_sa, EINVAL, "get", BUT(typed(update_esp(), Type::get), m.sa.reset())},
    {D::missing_sa, EINVAL, "delete of nothing", [] { return request(Type::del, SaType::esp); }},
    {D::missing_sa, EINVAL, "by state", BUT(typed(update_esp(), Type::x_delpair_state), m.sa.reset())},
    {D::missing_ekey, EINVAL, "ESP", BUT(add_esp(1), m.encrypt_key.reset())},
    {D::missing_akey, EINVAL, "AH", BUT(add_ah(1), m.auth_key.reset())},
    {D::missing_akey, EINVAL, "ESP that names an algorithm", BUT(add_esp(1), m.auth_key.reset())},
    {D::missing_range, EINVAL, "getspi", BUT(getspi(0x1000, 0x2000), m.spi_range.reset())},
    {D::malformed_sa, EINVAL, "SPI 0", BUT(add_esp(1), m.sa->spi = 0)},
    {D::malformed_sa, EINVAL, "SPI 0 of AH", BUT(add_ah(1), m.sa->spi = 0)},
    {D::malformed_sa, EINVAL, "SPI 0 in UDP",
     BUT(add_esp(1), m.sa->spi = 0; m.sa->flags = pfkey::kFlagNattRemote;
         m.natt_remote = endpoint("192.0.2.2", 0, 4500))},
    {D::malformed_ekey, EINVAL, "all zero", BUT(add_esp(1), m.encrypt_key->material = Secret(16))},
    {D::malformed_ekey, EINVAL, "all zero but for the salt",
     BUT(add_esp(1), m.sa->encrypt = 20; m.sa->auth = 0; m.auth_key.reset(); m.encrypt_key = key(20);
         std::ranges::fill(m.encrypt_key->material.bytes().first(16), std::byte{0}))},
    {D::malformed_ekey, EINVAL, "no bits", BUT(add_esp(1), m.encrypt_key->bits = 0)},
    {D::malformed_ekey, EINVAL, "more bits than octets", BUT(add_esp(1), m.encrypt_key->bits = 256)},
    {D::malformed_akey, EINVAL, "all zero", BUT(add_ah(1), m.auth_key->material = Secret(20))},
    {D::malformed_range, EINVAL, "upside down", BUT(getspi(0x1000, 0x2000), m.spi_range = {{9, 8}})},
    {D::malformed_range, EINVAL, "nothing but 0", BUT(getspi(0x1000, 0x2000), m.spi_range = {{0, 0}})},
    {D::akey_present, EINVAL, "update", BUT(update_esp(), m.auth_key = key(32))},
    {D::ekey_present, EINVAL, "update", BUT(update_esp(), m.encrypt_key = key(16))},
    {D::ekey_present, EINVAL, "AH", BUT(add_ah(1), m.encrypt_key = key(16))},
    {D::prop_present, EINVAL, "add", BUT(add_esp(1), m.proposal.emplace())},
    {D::prop_present, EINVAL, "get", BUT(typed(update_esp(), Type::get), m.extended_proposal.emplace())},
    {D::supp_present, EINVAL, "add", BUT(add_ah(1), m.supported_auth.emplace())},
    {D::bad_aalg, EINVAL, "unknown", BUT(add_ah(1), m.sa->auth = 200)},
    {D::bad_aalg, EINVAL, "a key for none", BUT(add_esp(1), m.sa->auth = 0)},
    {D::bad_aalg, EINVAL, "NULL encryption alone",
     BUT(add_esp(1), m.sa->encrypt = 11; m.sa->auth = 0; m.encrypt_key.reset(); m.auth_key.reset())},
    {D::bad_aalg, EINVAL, "a counter mode without integrity",
     BUT(add_esp(1), m.sa->auth = 0; m.auth_key.reset(); m.sa->encrypt = 13; m.encrypt_key = key(20)), true},
    {D::bad_aalg, EINVAL, "beside a combined mode", BUT(add_esp(1), m.sa->encrypt = 20; m.encrypt_key = key(20))},
    {D::bad_ealg, EINVAL, "none", BUT(add_esp(1), m.sa->encrypt = 0)},
    {D::bad_ealg, EINVAL, "unknown", BUT(add_esp(1), m.sa->encrypt = 99)},
    {D::bad_saflags, EINVAL, "tunnel in an update", BUT(update_esp(), m.sa->flags = pfkey::kFlagTunnel)},
    {D::bad_saflags, EINVAL, "used", BUT(add_esp(1), m.sa->flags = pfkey::kFlagUsed)},
    {D::bad_saflags, EINVAL, "AH behind a NAT", BUT(add_ah(1), m.sa->flags = pfkey::kFlagNatted)},
    {D::bad_sastate, EINVAL, "add dying", BUT(add_esp(1), m.sa->state = State::dying)},
    {D::bad_sastate, EINVAL, "update to dead", BUT(update_esp(), m.sa->state = State::dead)},
    {D::bad_sastate, EINVAL, "wake one that is awake", BUT(update_esp(), m.sa->state = State::active)},
    {D::bad_akeybits, EINVAL, "72 bits", BUT(add_ah(1), m.auth_key = key(9))},
    {D::bad_akeybits, EINVAL, "part of an octet", BUT(add_ah(1), m.auth_key = key(20); m.auth_key->bits = 156)},
    {D::bad_akeybits, EINVAL, "with an IV", BUT(add_ah(1), m.auth_key->reserved = 64)},
    {D::bad_ekeybits, EINVAL, "short", BUT(add_esp(1), m.encrypt_key = key(8))},
    {D::bad_ekeybits, EINVAL, "off the step", BUT(add_esp(1), m.encrypt_key = key(17))},
    {D::bad_ekeybits, EINVAL, "without salt",
     BUT(add_esp(1), m.sa->encrypt = 20; m.sa->auth = 0; m.auth_key.reset(); m.encrypt_key = key(16))},
    {D::bad_ekeybits, EINVAL, "a key for NULL", BUT(add_esp(1), m.sa->encrypt = 11)},
    {D::bad_ekeybits, EINVAL, "half an IV", BUT(add_esp(1), m.encrypt_key = key(24, 1, 64))},
    {D::bad_ekeybits, EINVAL, "IV longer than all", BUT(add_esp(1), m.encrypt_key = key(16, 1, 1024))},
    {D::encr_notsupp, EINVAL, "AH", BUT(add_ah(1), m.sa->encrypt = 12)},
    {D::weak_ekey, EINVAL, "DES, its parity wrong",
     BUT(add_esp(1), m.sa->encrypt = 2; m.encrypt_key = key_of({0x1e, 0xe1, 0x1e, 0xe1, 0x0e, 0xf1, 0x0e, 0xf1}))},
    {D::duplicate_kmp, EINVAL, "IKEv2 for IKE", BUT(update_esp(), m.km_cookie = {{3, 77}})},
    {D::duplicate_kmc, EINVAL, "another cookie", BUT(update_esp(), m.km_cookie = {{1, 78}})},
    {D::missing_natt_loc, EINVAL, "flag alone", BUT(add_esp(1), m.sa->flags = pfkey::kFlagNattLocal)},
    {D::missing_natt_rem, EINVAL, "flag alone", BUT(add_esp(1), m.sa->flags = pfkey::kFlagNattRemote)},
    {D::malformed_natt_loc, EINVAL, "multicast", BUT(add_esp(1), m.natt_local = endpoint("224.0.0.1", 0, 4500))},
    {D::malformed_natt_loc, EINVAL, "own address", BUT(add_esp(1), m.natt_local = endpoint("192.0.2.1"))},
    {D::malformed_natt_loc, EINVAL, "AH", BUT(add_ah(1), m.natt_local = endpoint("203.0.113.1")), true},
    {D::malformed_natt_rem, EINVAL, "multicast", BUT(add_esp(1), m.natt_remote = endpoint("224.0.0.1", 0, 4500))},
    {D::malformed_natt_rem, EINVAL, "nothing", BUT(add_esp(1), m.natt_remote = endpoint("0.0.0.0"))},
    {D::malformed_natt_rem, EINVAL, "AH", BUT(add_ah(1), m.natt_remote = endpoint("203.0.113.1")), true},
    {D::missing_inner_src, EINVAL, "dst alone", BUT(tunnel(), m.inner_src.reset())},
    {D::missing_inner_src, EINVAL, "tunnel", BUT(tunnel(), m.inner_src.reset(); m.inner_dst.reset())},
    {D::missing_inner_dst, EINVAL, "src alone", BUT(tunnel(), m.inner_dst.reset())},
    {D::prefix_inner_src, EINVAL, "33", BUT(tunnel(), m.inner_src->prefix = 33)},
    {D::prefix_inner_src, EINVAL, "mapped, 95", BUT(tunnel(), m.inner_src = endpoint("::ffff:10.0.0.0", 95))},
    {D::prefix_inner_dst, EINVAL, "129", BUT(tunnel(), m.inner_dst = endpoint("2001:db8::", 129))},
    {D::inner_af_mismatch, EINVAL, "two families", BUT(tunnel(), m.inner_dst = endpoint("2001:db8::", 32))},
    {D::inner_af_mismatch, EPROTOTYPE, "IPv6 that carries IPv4", BUT(tunnel(), m.dst->proto = 41)},
    {D::bad_natt_rem_af, EINVAL, "v6", BUT(add_esp(1), m.natt_remote = endpoint("2001:db8::1"))},
    {D::bad_natt_loc_af, EINVAL, "v6", BUT(add_esp(1), m.natt_local = endpoint("2001:db8::1"))},
    {D::proto_mismatch, EINVAL, "TCP, UDP", BUT(add_esp(1), m.src->proto = 6; m.dst->proto = 17)},
    {D::inner_proto_mismatch, EINVAL, "TCP, UDP", BUT(tunnel(), m.inner_src->proto = 6; m.inner_dst->proto = 17)},
    {D::dual_port_sets, EINVAL, "inner and outer", BUT(tunnel(), m.inner_src->port = 1; m.dst->port = 2)},
    {D::pair_inappropriate, EINVAL, "no partner", BUT(add_esp(1), m.pair = {{0x999}})},
    {D::pair_inappropriate, EINVAL, "both ways",
     BUT(add_esp(1), m.pair = {{kPartner}}; m.sa->flags = pfkey::kFlagInbound | pfkey::kFlagOutbound)},
    {D::pair_inappropriate, EINVAL, "the same direction",
     BUT(add_esp(1), m.pair = {{kPartner}}; m.sa->flags = pfkey::kFlagInbound)},
    {D::pair_inappropriate, EINVAL, "the same way round",
     BUT(reversed(add_esp(1)), m.pair = {{kPartner}}; m.sa->flags = pfkey::kFlagOutbound)},
    {D::pair_inappropriate, EINVAL, "itself", BUT(reversed(add_esp(kThere)), m.pair = {{kThere}})},
    {D::pair_inappropriate, EINVAL, "from nowhere", BUT(add_esp(1), m.pair = {{kPartner}}; m.src = endpoint("::"))},
    {D::pair_inappropriate, EINVAL, "of an update", BUT(update_esp(), m.pair = {{0x999}})},
    {D::pair_already, EINVAL, "add", BUT(add_esp(1), m.pair = {{kPaired}}; m.sa->flags = pfkey::kFlagOutbound)},
    {D::pair_already, EINVAL, "update of a paired SA", BUT(update_esp(0x300), m.pair = {{kPartner}})},
    {D::pair_sa_notfound, ESRCH, "update", [] { return typed(update_esp(), Type::x_updatepair); }},
    {D::pair_sa_notfound, ESRCH, "delete", [] { return typed(update_esp(), Type::x_delpair); }},
    {D::sa_notfound, ESRCH, "get", [] { return typed(update_esp(0x999), Type::get); }},
    {D::sa_notfound, ESRCH, "update", [] { return update_esp(0x999); }},
    {D::sa_notfound, ESRCH, "another source", BUT(typed(update_esp(), Type::del), m.src = endpoint("192.0.2.9"))},
    {D::invalid_replay, EOPNOTSUPP, "64 bits", BUT(add_esp(1), m.replay_value = {{0, 1ull << 32}}), true},
    {D::invalid_replay, EOPNOTSUPP, "a wide window", BUT(add_esp(1), m.replay_window = {{4097, false}}), true},
    {D::invalid_replay, EOPNOTSUPP, "a wide window", BUT(update_esp(), m.replay_window = {{4097, false}}), true},
    {D::invalid_replay, EINVAL, "a window without integrity",
     BUT(add_esp(1), m.sa->auth = 0; m.auth_key.reset(); m.sa->replay = 1), true},
    {D::invalid_replay, EINVAL, "a wide window without integrity",
     BUT(add_esp(1), m.sa->auth = 0; m.auth_key.reset(); m.replay_window = {{64, false}}), true},
    {D::invalid_replay, EINVAL, "ESN without integrity",
     BUT(add_esp(1), m.sa->auth = 0; m.auth_key.reset(); m.replay_window = {{0, true}}), true},
    {D::invalid_replay, EINVAL, "backwards", BUT(update_esp(), m.replay_value = {{499, 0}})},
    {D::invalid_replay, EINVAL, "no window", BUT(reversed(update_esp(kReceiver)), m.replay_value = {{9, 0}})},
    {D::missing_lifetime, EOPNOTSUPP, "update", BUT(update_esp(), m.current.emplace())},
    {D::bad_label, EINVAL, "ESP", BUT(add_esp(1), m.sensitivity.emplace())},
    {D::bad_label, EINVAL, "AH", BUT(add_ah(1), m.outer_sensitivity.emplace())},
    {D::bad_label, EINVAL, "update", BUT(update_esp(), m.outer_sensitivity.emplace())},
    // Refusals without a diagnostic.
    {D::none, EEXIST, "a second one", [] { return add_esp(kThere); }},
    {D::none, EEXIST, "a full range", BUT(getspi(0x1000, 0x2000), m.spi_range = {{kThere, kThere}})},
    {D::none, EOPNOTSUPP, "add with CURRENT", BUT(add_esp(1), m.current.emplace())},
    {D::none, EOPNOTSUPP, "offload", BUT(add_esp(1), m.offload.emplace()), true},
    {D::none, EOPNOTSUPP, "expire", [] { return request(Type::expire, SaType::esp); }},
};

// covers RFC4302-2.4-1 RFC4303-2.1-2 RFC4303-3.2-1 RFC3948-2.1-3
// covers RFC2367-2.3.3-1 RFC2367-2.3.4-1 RFC2367-3.1.2-1 RFC2367-3.1.3-1 RFC2367-3.1.4-1
TEST(Diagnostics, EachHasItsRequestAndARefusalChangesNothing) {
  Options options;
  options.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
  Engine engine(options);
  ASSERT_NO_FATAL_FAILURE(populate(engine));
  const auto before = dump(engine);
  for (const Row& row : kRows) {
    SCOPED_TRACE(std::string(pfkey::name_of(row.diagnostic)) + ": " + row.what);
    const Message asked = row.request();
    Message wanted = asked.header();
    if (asked.type > Type::x_delpair_state) wanted.type = Type::reserved;
    wanted.error = static_cast<std::uint8_t>(row.error);
    wanted.diagnostic = static_cast<std::uint16_t>(row.diagnostic);
    const auto sent = ask(engine, row.request(), at(1));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(outcome(engine, row.request(), at(1)), (Outcome{row.error, row.diagnostic}));
    // Only refusals with several causes and remedies have words; pairs_test.cc and engine_test.cc test those.
    const bool has_words =
        row.diagnostic == D::pair_inappropriate || row.what == std::string_view("another source") || row.explained;
    EXPECT_EQ(sent[0].message.remark.has_value(), has_words);
    wanted.remark = sent[0].message.remark;
    EXPECT_EQ(sent[0].message, wanted);
    EXPECT_EQ(sent[0].to, audience_of(wanted.type, wanted.satype));
    EXPECT_EQ(dump(engine), before);
  }
}

// The rows "| number | NAME | who | ..." below a heading of the document: numbers and who.
std::set<std::pair<int, std::string>> listed(const std::string& heading) {
  std::ifstream document(DOC_DIR "/reference/pf-key.md");
  std::set<std::pair<int, std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("#")) inside = line.ends_with(heading);
    int number = 0;
    char bar = 0;
    std::string name, who;
    std::istringstream in(line);
    if (!inside || !(in >> bar >> number >> bar >> name >> bar >> who)) continue;
    EXPECT_EQ(name, pfkey::name_of(static_cast<D>(number))) << line;
    rows.emplace(number, who);
  }
  return rows;
}

TEST(Diagnostics, TheDocumentListsSentAndUnsentOnes) {
  std::set<int> engine_sends, documented, all, everything;
  for (const Row& row : kRows) engine_sends.insert(static_cast<int>(row.diagnostic));
  engine_sends.erase(0);
  for (const auto& [number, who] : listed("Diagnostics that are sent")) {
    all.insert(number);
    if (who == "engine" || who == "both") documented.insert(number);
  }
  EXPECT_EQ(documented, engine_sends);
  for (const auto& [number, who] : listed("Diagnostics that are never sent"))
    EXPECT_TRUE(all.insert(number).second) << number << " is in both lists";
  for (int i = 1; i <= pfkey::kDiagnosticMax; ++i) everything.insert(i);
  EXPECT_EQ(all, everything);
}

}  // namespace
}  // namespace ipseckey::engine
