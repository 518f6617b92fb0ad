// Every row of pfkey/requirements.cc, broken by a sample of its own: our engine and the kernel's rules refuse it alike.
// Then the requirements of only one of them, each with the reason.
#include "pfkey/requirements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "engine/testing.h"
#include "kernel/detail/xfrm_rules.h"

namespace ipseckey::kernel::xfrm {
namespace {

using engine::testing::add_ah;
using engine::testing::add_esp;
using engine::testing::ask;
using engine::testing::endpoint;
using engine::testing::key;
using engine::testing::key_of;
using pfkey::Message;
using D = pfkey::Diagnostic;

Message esp() { return add_esp(0x1000); }
Message ah() { return add_ah(0x1000); }
// ESP with AES-GCM.
Message gcm() {
  Message m = esp();
  m.sa->encrypt = 20, m.sa->auth = 0;
  m.encrypt_key = key(20), m.auth_key.reset();
  return m;
}
Message tunnel() {
  Message m = esp();
  m.sa->flags = pfkey::kFlagTunnel;
  m.inner_src = endpoint("10.0.0.0", 8), m.inner_dst = endpoint("10.1.0.0", 16);
  return m;
}
// ESP with AES-CBC and without integrity.
Message unvouched() {
  Message m = esp();
  m.sa->auth = 0, m.auth_key.reset();
  return m;
}

struct Sample {
  D diagnostic;
  Message (*base)();
  void (*spoil)(Message&);
  const char* told = "";      // Words of the row that depend on the request.
  bool linux_does = false;    // The kernel supports what ipsecd does not, as in SadbFacts.
  const char* of_linux = "";  // The kernel's own words, if the row has none.
};

constexpr const char* kMature = "the kernel's SAs are mature from the start";
constexpr const char* kNoLabels = "this kernel does not run SELinux, so its SAs have no labels";

// In the order of the table.
const Sample kSamples[] = {
    {D::malformed_ekey, esp, [](Message& m) { m.encrypt_key->material = Secret(16); }},
    {D::malformed_akey, esp, [](Message& m) { m.auth_key->bits = 0; }},
    {D::malformed_range, esp, [](Message& m) { m.spi_range = {{9, 8}}; }},
    {D::unknown_ext, esp, [](Message& m) { m.traffic.emplace(); }},
    {D::none, tunnel, [](Message& m) { m.tfc_pad = pfkey::Number{0}; }, "`tfcpad` is a number from 1 to 65535"},
    {D::none, esp, [](Message& m) { m.offload.emplace(); },
     "`offload` is for the kernel's SAs: ipsecd processes its SAs itself", true},
    {D::none, ah, [](Message& m) { m.ah_align = pfkey::Number{16}; }},
    {D::bad_aalg, ah, [](Message& m) { m.icv = pfkey::Number{64}; }},
    {D::none, esp, [](Message& m) { m.mark = pfkey::Mark{0x11, 0xf}; }},

    {D::bad_src, esp, [](Message& m) { m.src = endpoint("224.0.0.5"); }},
    {D::bad_dst, esp, [](Message& m) { m.dst = endpoint("0.0.0.0"); }},

    {D::missing_inner_dst, tunnel, [](Message& m) { m.inner_dst.reset(); }},
    {D::missing_inner_src, tunnel, [](Message& m) { m.inner_src.reset(); }},
    {D::prefix_inner_dst, tunnel, [](Message& m) { m.inner_dst->prefix = 33; }},
    {D::prefix_inner_src, tunnel, [](Message& m) { m.inner_src = endpoint("::ffff:10.0.0.0", 95); }},
    {D::inner_af_mismatch, tunnel, [](Message& m) { m.inner_dst = endpoint("2001:db8::", 32); }},
    {D::inner_proto_mismatch, tunnel, [](Message& m) { m.inner_src->proto = 6, m.inner_dst->proto = 17; }},
    {D::dual_port_sets, tunnel, [](Message& m) { m.inner_src->port = 1, m.dst->port = 2; }},
    {D::proto_mismatch, esp, [](Message& m) { m.src->proto = 6, m.dst->proto = 17; }},
    {D::af_mismatch, esp, [](Message& m) { m.src = endpoint("2001:db8::1"); }},
    {D::ekey_present, ah, [](Message& m) { m.encrypt_key = key(16); }},
    {D::prop_present, esp, [](Message& m) { m.proposal.emplace(); }},
    {D::supp_present, esp, [](Message& m) { m.supported_auth.emplace(); }},

    {D::missing_src, esp, [](Message& m) { m.src.reset(); }},
    {D::missing_dst, esp, [](Message& m) { m.dst.reset(); }},
    {D::missing_sa, esp, [](Message& m) { m.sa.reset(); }},
    {D::malformed_sa, esp, [](Message& m) { m.sa->spi = 0; }},

    {D::missing_ekey, esp, [](Message& m) { m.encrypt_key.reset(); }},
    {D::missing_akey, ah, [](Message& m) { m.auth_key.reset(); }},
    {D::bad_sastate, esp, [](Message& m) { m.sa->state = pfkey::State::dying; }, "", false, kMature},
    {D::bad_ealg, esp, [](Message& m) { m.sa->encrypt = 0; }},
    {D::encr_notsupp, ah, [](Message& m) { m.sa->encrypt = 12; }},
    {D::bad_aalg, unvouched, [](Message& m) { m.sa->encrypt = 11, m.encrypt_key.reset(); }},
    {D::bad_saflags, esp, [](Message& m) { m.sa->flags = pfkey::kFlagUsed; }},

    {D::alloc_hserr, esp, [](Message& m) { m.hard = {{1, 1, 1, 1}}, m.soft = {{2, 2, 2, 2}}; }},
    {D::bytes_hserr, esp, [](Message& m) { m.hard = {{2, 1, 1, 1}}, m.soft = {{2, 2, 2, 2}}; }},
    {D::addtime_hserr, esp, [](Message& m) { m.hard = {{2, 2, 1, 1}}, m.soft = {{2, 2, 2, 2}}; }},
    {D::usetime_hserr, esp, [](Message& m) { m.hard = {{2, 2, 2, 1}}, m.soft = {{2, 2, 2, 2}}; }},
    {D::addtime_hserr, esp,
     [](Message& m) { m.hard = {{0, 0, 9, 9}}, m.soft = {{0, 0, 5, 5}}, m.idle = {{0, 0, 6, 6}}; }},
    {D::usetime_hserr, esp,
     [](Message& m) { m.hard = {{0, 0, 9, 9}}, m.soft = {{0, 0, 5, 5}}, m.idle = {{0, 0, 5, 6}}; }},

    {D::malformed_natt_loc, ah, [](Message& m) { m.natt_local = endpoint("203.0.113.1"); }},
    {D::malformed_natt_rem, ah, [](Message& m) { m.natt_remote = endpoint("203.0.113.1"); }},
    {D::missing_natt_loc, esp, [](Message& m) { m.sa->flags = pfkey::kFlagNattLocal; }},
    {D::missing_natt_rem, esp, [](Message& m) { m.sa->flags = pfkey::kFlagNattRemote; }},
    {D::none, esp, [](Message& m) { m.current.emplace(); }},

    {D::bad_label, esp, [](Message& m) { m.sensitivity.emplace(); }, "", false, kNoLabels},

    {D::missing_akey, esp, [](Message& m) { m.auth_key.reset(); }},
    {D::bad_aalg, esp, [](Message& m) { m.sa->auth = 0; }},
    {D::bad_aalg, gcm, [](Message& m) { m.sa->auth = 5, m.auth_key = key(32); }},
    {D::bad_akeybits, ah, [](Message& m) { m.auth_key = key(9); }},
    {D::bad_aalg, esp, [](Message& m) { m.icv = pfkey::Number{160}; }},
    {D::bad_ealg, esp, [](Message& m) { m.sa->encrypt = 99; }},
    {D::bad_ekeybits, esp, [](Message& m) { m.encrypt_key = key(17); }},
    {D::malformed_ekey, gcm,
     [](Message& m) { std::ranges::fill(m.encrypt_key->material.bytes().first(16), std::byte{0}); }},

    {D::bad_aalg, unvouched, [](Message& m) { m.sa->encrypt = 13, m.encrypt_key = key(20); }},
    {D::invalid_replay, unvouched, [](Message& m) { m.replay_window = {{0, true}}; }},
    {D::weak_ekey, esp,
     [](Message& m) { m.sa->encrypt = 2, m.encrypt_key = key_of({0x1e, 0xe1, 0x1e, 0xe1, 0x0e, 0xf1, 0x0e, 0xf1}); }},

    {D::inner_af_mismatch, tunnel, [](Message& m) { m.dst->proto = 41; }},

    {D::missing_inner_src, esp, [](Message& m) { m.sa->flags = pfkey::kFlagTunnel; }},
    {D::invalid_replay, esp, [](Message& m) { m.replay_window = {{0, true}}; }},
    {D::none, esp, [](Message& m) { m.tfc_pad = pfkey::Number{100}; },
     "`tfcpad` is for ESP tunnels: give isrc and idst"},

    {D::invalid_replay, esp, [](Message& m) { m.replay_value = {{0, 1ull << 32}}; }},
    {D::invalid_replay, esp, [](Message& m) { m.replay_window = {{4097, false}}; }},
};

Message spoilt(const Sample& sample) {
  Message m = sample.base();
  sample.spoil(m);
  return m;
}

// Our engine's answer to an ADD: an errno of 0 means none.
Refusal of_engine(Message m, engine::Options options = {}) {
  engine::Engine sadb(std::move(options));
  const auto sent = ask(sadb, std::move(m));
  EXPECT_EQ(sent.size(), 1u);
  const Message& reply = sent.at(0).message;
  return {reply.error, static_cast<D>(reply.diagnostic), reply.remark ? reply.remark->text : std::string()};
}

Refusal of_linux(const Message& m, bool labels = false) { return wrong_with(m, labels).value_or(Refusal{0}); }

void expect_equal(const Refusal& is, std::uint8_t error, D diagnostic, std::string_view text) {
  EXPECT_EQ(is.error, error);
  EXPECT_EQ(is.diagnostic, diagnostic) << pfkey::name_of(is.diagnostic);
  EXPECT_EQ(is.text, text);
}

TEST(Requirements, ARequestThatMeetsThemAllIsAccepted) {
  for (Message (*const base)() : {esp, ah, gcm, tunnel, unvouched}) {
    expect_equal(of_engine(base()), 0, D::none, "");
    expect_equal(of_linux(base()), 0, D::none, "");
  }
}

// With the words that the samples produce.
std::vector<pfkey::Requirement> rows_of_samples() {
  std::vector<pfkey::Requirement> rows(pfkey::requirements().begin(), pfkey::requirements().end());
  for (std::size_t i = 0; i < std::min(rows.size(), std::size(kSamples)); ++i)
    if (rows[i].told) rows[i].words = kSamples[i].told;
  return rows;
}

TEST(Requirements, EverySadbChecksEach) {
  const auto rows = rows_of_samples();
  ASSERT_EQ(std::size(kSamples), rows.size()) << "a row without a sample, or one that is gone";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Sample& sample = kSamples[i];
    SCOPED_TRACE(std::string(pfkey::name_of(sample.diagnostic)) + ", row " + std::to_string(i));
    if (sample.linux_does) continue;
    const pfkey::Requirement& row = rows[i];
    EXPECT_EQ(row.diagnostic, sample.diagnostic);
    expect_equal(of_engine(spoilt(sample)), row.error, row.diagnostic, row.words);
    expect_equal(of_linux(spoilt(sample)), row.error, row.diagnostic, row.words.empty() ? sample.of_linux : row.words);
  }
}

// Every row before the one that a sample breaks is met: the sample breaks its own row first, and not another's.
TEST(Requirements, EachSampleBreaksItsOwnRowFirst) {
  const auto rows = pfkey::requirements();
  ASSERT_EQ(std::size(kSamples), rows.size());
  using enum pfkey::AlgorithmKind;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Message m = spoilt(kSamples[i]);
    pfkey::Asked asked{.m = m, .sadb = {}, .extended = m.extended()};
    if (m.sa) asked.auth = pfkey::find_algorithm(auth, m.sa->auth);
    if (m.sa) asked.encrypt = pfkey::find_algorithm(encrypt, m.sa->encrypt);
    for (std::size_t j = 0; j <= i; ++j)
      EXPECT_EQ(rows[j].broken(asked), i == j) << pfkey::name_of(rows[j].diagnostic) << ", row " << j << " of " << i;
  }
}

TEST(Requirements, IpsecdRefusesWhatOnlyTheKernelSupports) {
  const auto rows = rows_of_samples();
  for (std::size_t i = 0; i < std::size(kSamples); ++i) {
    if (!kSamples[i].linux_does) continue;
    expect_equal(of_engine(spoilt(kSamples[i])), rows.at(i).error, rows.at(i).diagnostic, rows.at(i).words);
    expect_equal(of_linux(spoilt(kSamples[i])), 0, D::none, "");
  }
}

// Linux would forget them, or never find the SA again.
TEST(Requirements, AMarkHasNoBitsBeyondItsMask) {
  for (const auto member : {&Message::mark, &Message::output_mark})
    for (const auto& [mark, fits] : {std::pair(pfkey::Mark{0x10, 0xf}, false),
                                     {pfkey::Mark{0x1f, 0xf}, false},
                                     {pfkey::Mark{1, 0}, false},
                                     {pfkey::Mark{0xf, 0xf}, true},
                                     {pfkey::Mark{0, 0xf}, true},
                                     {pfkey::Mark{0, 0}, true},
                                     {pfkey::Mark{UINT32_MAX, UINT32_MAX}, true}}) {
      Message m = esp();
      m.*member = mark;
      expect_equal(of_linux(m), fits ? 0 : EINVAL, D::none,
                   fits ? "" : "a mark has bits outside its mask: drop them or widen the mask");
    }
}

// Requests that one SADB refuses for a reason of its own, and the other accepts.
TEST(Requirements, OnlyLinuxRefusesWhatItCannotStore) {
  struct Own {
    Message (*base)();
    void (*ask)(Message&);
    std::uint8_t error;
    D diagnostic;
    const char* reason;
  };
  const Own kOwn[] = {
      {esp, [](Message& m) { m.encrypt_key = key(32, 1, 128); }, EOPNOTSUPP, D::malformed_ekey,
       "the kernel chooses IVs itself, so reserved_bits has no effect: leave it out"},
      {tunnel, [](Message& m) { m.dst->port = 2; }, EOPNOTSUPP, D::none,
       "the kernel has no outer ports for tunnels: use isport and idport"},
      {esp, [](Message& m) { m.outer_sensitivity.emplace(); }, EINVAL, D::bad_label,
       "the kernel cannot store a label for the protected packets"},
      {esp, [](Message& m) { m.sa->state = pfkey::State::active_elsewhere; }, EINVAL, D::bad_sastate, kMature},
  };
  for (const Own& own : kOwn) {
    SCOPED_TRACE(own.reason);
    Message m = own.base();
    own.ask(m);
    expect_equal(of_linux(m, true), own.error, own.diagnostic, own.reason);
    engine::Options options;
    options.label_policy = true;
    expect_equal(of_engine(std::move(m), options), 0, D::none, "");
  }
}

// It knows which addresses are the host's, and sends to the other end itself; the kernel accepts any.
TEST(Requirements, OnlyOurEngineChecksMoreAboutNatAddresses) {
  struct Own {
    void (*ask)(Message&);
    D diagnostic;
  };
  const Own kOwn[] = {
      {[](Message& m) { m.natt_local = endpoint("192.0.2.1"); }, D::malformed_natt_loc},
      {[](Message& m) { m.natt_local = endpoint("2001:db8::1"); }, D::bad_natt_loc_af},
      {[](Message& m) { m.natt_remote = endpoint("0.0.0.0"); }, D::malformed_natt_rem},
      {[](Message& m) { m.natt_remote = endpoint("2001:db8::1"); }, D::bad_natt_rem_af},
  };
  for (const Own& own : kOwn) {
    SCOPED_TRACE(pfkey::name_of(own.diagnostic));
    Message m = esp();
    own.ask(m);
    expect_equal(of_linux(m), 0, D::none, "");
    engine::Options options;
    options.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
    expect_equal(of_engine(std::move(m), options), EINVAL, own.diagnostic, "");
  }
}

}  // namespace
}  // namespace ipseckey::kernel::xfrm
