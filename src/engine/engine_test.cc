#include "engine/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/testing.h"
#include "pfkey/algorithms.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;

TEST(Engine, StartsEmpty) {
  Engine engine;
  EXPECT_EQ(engine.size(), 0u);
  EXPECT_EQ(engine.deadline(), std::nullopt);
  EXPECT_TRUE(dump(engine).empty());
}

// covers RFC2367-3.1.3-1 RFC2367-3.1.3-2 RFC2367-3.1.5-1
TEST(Engine, AddIsEchoedWithoutKeysAndGetReturnsEverything) {
  Engine engine;
  Message wanted = add_esp(0x2345);
  wanted.sa->replay = 32;
  Message echo = wanted.clone();
  echo.auth_key.reset(), echo.encrypt_key.reset();

  const auto added = ask(engine, wanted.clone());
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(added[0].to, Audience::everyone);
  EXPECT_EQ(added[0].message, echo);
  EXPECT_EQ(engine.size(), 1u);

  Message described = wanted.clone();
  described.type = Type::get;
  described.current = pfkey::Lifetime{.addtime = kEpoch};
  const auto got = ask(engine, request(Type::get, SaType::esp, 0x2345));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].to, Audience::sender);
  EXPECT_EQ(got[0].message, described);

  described.type = Type::dump;
  const auto dumped = dump(engine);
  ASSERT_EQ(dumped.size(), 1u);
  EXPECT_EQ(dumped[0], described);
}

// covers RFC2367-3.1.4-1
TEST(Engine, DeleteDescribesTheDeadSaWithoutKeys) {
  Engine engine;
  ask(engine, add_ah(0x300));
  Message described = add_ah(0x300);
  described.type = Type::del;
  described.auth_key.reset();
  described.current = pfkey::Lifetime{.addtime = kEpoch};
  described.sa->state = pfkey::State::dead;
  const auto sent = ask(engine, request(Type::del, SaType::ah, 0x300));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, Audience::everyone);
  EXPECT_EQ(sent[0].message, described);
  EXPECT_EQ(engine.size(), 0u);
}

// covers RFC2367-3.1.9-1
TEST(Engine, FlushDeletesOneTypeOrAll) {
  Engine engine;
  ask(engine, add_ah(0x300)), ask(engine, add_esp(0x300)), ask(engine, add_esp(0x301));
  EXPECT_EQ(engine.size(), 3u);
  const auto sent = ask(engine, request(Type::flush, SaType::esp));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, Audience::everyone);
  EXPECT_EQ(sent[0].message, request(Type::flush, SaType::esp));
  EXPECT_EQ(engine.size(), 1u);
  ask(engine, request(Type::flush, SaType::unspec));
  EXPECT_EQ(engine.size(), 0u);
}

TEST(Engine, DumpFollowsTheOrderOfInsertion) {
  Engine engine;
  for (const std::uint32_t spi : {9u, 3u, 7u, 1u, 8u}) ask(engine, add_esp(spi));
  ask(engine, request(Type::del, SaType::esp, 7));
  ask(engine, add_esp(2));
  std::vector<std::uint32_t> spis;
  for (const Message& m : dump(engine)) spis.push_back(m.sa->spi);
  EXPECT_EQ(spis, (std::vector<std::uint32_t>{9, 3, 1, 8, 2}));
}

// ---- the parts that an SA keeps

// The ADD that a client makes from a GET or DUMP reply.
Message again(const Message& reply) {
  constexpr std::uint32_t kAhSettable = 0x33c3c002, kEspSettable = 0x3fdbd002;
  Message m = reply.clone();
  m.type = Type::add;
  m.current.reset();
  m.sa->flags &= m.satype == SaType::ah ? kAhSettable : kEspSettable;
  m.initial_iv.reset();
  if (m.encrypt_key) {
    std::vector<std::byte> octets(m.encrypt_key->material.bytes().begin(), m.encrypt_key->material.bytes().end());
    const std::uint16_t iv = reply.initial_iv ? reply.initial_iv->bits : 0;
    if (iv != 0)
      octets.insert(octets.end(), reply.initial_iv->material.bytes().begin(), reply.initial_iv->material.bytes().end());
    m.encrypt_key = pfkey::Key{static_cast<std::uint16_t>(octets.size() * 8), iv, Secret(Bytes(octets))};
  }
  return m;
}

// An ESP SA with every part that one can have.
Message everything() {
  Message m = add_esp(0x77);
  m.sa->encrypt = 20, m.sa->auth = 0, m.sa->replay = 64;
  m.auth_key.reset();
  m.encrypt_key = key(16 + 4 + 8, 1, 64);
  m.sa->flags = pfkey::kFlagNoReplay | pfkey::kFlagTunnel | pfkey::kFlagOutbound | pfkey::kFlagNatted | 0x1000000 |
                pfkey::kFlagAalg1;
  m.hard = pfkey::Lifetime{1, 2, 3, 4}, m.soft = pfkey::Lifetime{1, 1, 1, 1}, m.idle = pfkey::Lifetime{0, 0, 1, 1};
  m.natt_local = endpoint("203.0.113.1", 0, 4500, 17), m.natt_remote = endpoint("0.0.0.0", 0, 4501, 17);
  m.inner_src = endpoint("10.0.0.0", 8, 80, 6), m.inner_dst = endpoint("10.2.0.0", 15, 0, 6);
  m.src->proto = m.dst->proto = 4;
  m.km_cookie = pfkey::KmCookie{3, 0x1234567890};
  m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 5, "a.example"};
  m.dst_identity = pfkey::Identity{pfkey::IdentityType::user_fqdn, 0, "b c@example"};
  m.sensitivity = pfkey::Sensitivity{.level = 3, .bitmap = {7, 8}, .integrity_bitmap = {}};
  m.outer_sensitivity = pfkey::Sensitivity{.flags = pfkey::kSensImplicit, .bitmap = {}, .integrity_bitmap = {}};
  m.replay_value = pfkey::ReplayValue{.low = 900};
  m.reqid = pfkey::Number{5}, m.if_id = pfkey::Number{6}, m.mark = pfkey::Mark{1, 3};
  m.replay_window = pfkey::ReplayWindow{64, true}, m.ah_align = pfkey::Number{8};
  return m;
}

// covers RFC4301-4.4.2.1-1
TEST(Engine, AnAddIsKeptWhole) {
  Options options;
  options.label_policy = true;
  Engine engine(options);
  ASSERT_EQ(outcome(engine, everything()), kDone);
  Message wanted = everything();
  wanted.type = Type::dump;
  wanted.current = pfkey::Lifetime{.addtime = kEpoch};
  wanted.sa->flags |=
      pfkey::kFlagEalg1 | pfkey::kFlagEalg2 | pfkey::kFlagUnique | pfkey::kFlagNattLocal | pfkey::kFlagNattRemote;
  wanted.encrypt_key = key(20, 1, 32);
  wanted.encrypt_key->bits = 128;
  wanted.initial_iv = key(8, 21);
  const auto before = dump(engine);
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0], wanted);

  Engine other(options);
  ASSERT_EQ(outcome(other, again(before[0])), kDone);
  EXPECT_EQ(dump(other), before);
}

// covers RFC2367-2.3.4-1
TEST(Engine, EveryAlgorithmAcceptsItsKeysAndReturnsThem) {
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    SCOPED_TRACE(std::string(row.name()));
    const bool cipher = row.kind == pfkey::AlgorithmKind::encrypt;
    for (unsigned bits = row.min_bits; bits <= row.max_bits; bits += row.step_bits) {
      Engine engine;
      Message m = cipher ? add_esp(1) : add_ah(1);
      std::optional<pfkey::Key> shown;
      if (cipher) {
        m.sa->encrypt = row.number;
        if (row.combined()) m.sa->auth = 0, m.auth_key.reset();
        m.encrypt_key.reset();
        if (row.takes_key()) m.encrypt_key = key((bits + row.salt_bits) / 8u, 0x31);
        if (m.encrypt_key) shown = m.encrypt_key->clone();
        if (shown) shown->bits = static_cast<std::uint16_t>(bits), shown->reserved = row.salt_bits;
      } else {
        m.sa->auth = row.number;
        m.auth_key = key(bits / 8u, 0x31);
        shown = m.auth_key->clone();
      }
      EXPECT_EQ(outcome(engine, std::move(m)), kDone) << bits;
      const auto all = dump(engine);
      ASSERT_EQ(all.size(), 1u);
      // DES keys are returned with corrected parity, which has its own test.
      const auto& got = cipher ? all[0].encrypt_key : all[0].auth_key;
      const bool parity = cipher && (row.number == 2 || row.number == 3);
      if (parity) {
        ASSERT_TRUE(got);
        EXPECT_EQ(got->bits, bits);
        EXPECT_EQ(got->material.size() * 8, bits);
      } else {
        EXPECT_EQ(got, shown);
      }
    }
  }
}

// RFC 2104 section 3: for HMAC no length is wrong, only weak; other algorithms have fixed lengths.
TEST(Engine, HmacAcceptsKeysOfAnyLength) {
  constexpr Outcome kRefused{EINVAL, pfkey::Diagnostic::bad_akeybits};
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (row.kind != pfkey::AlgorithmKind::auth) continue;
    const bool hmac = row.name().starts_with("hmac-");
    for (const unsigned bytes : {1u, 8u, 9u, 10u, 11u, 22u, 63u, 129u, 256u}) {
      SCOPED_TRACE(std::string(row.name()) + ' ' + std::to_string(bytes));
      Engine engine;
      Message m = add_ah(1);
      m.sa->auth = row.number;
      m.auth_key = key(bytes, 0x31);
      EXPECT_EQ(outcome(engine, std::move(m)), hmac && bytes >= 10 ? kDone : kRefused);
      const auto all = dump(engine);
      EXPECT_EQ(all.size(), hmac && bytes >= 10 ? 1u : 0u);
      if (!all.empty()) {
        EXPECT_EQ(all[0].auth_key, key(bytes, 0x31));
      }
    }
    Engine engine;
    Message odd = add_ah(1);
    odd.sa->auth = row.number;
    odd.auth_key = key(11, 0x31);
    odd.auth_key->bits = 84;
    EXPECT_EQ(outcome(engine, std::move(odd)), kRefused) << row.name();
  }
}

// The default length is the algorithm's RFC's, and an SA keeps the one with which it was added.
TEST(Engine, AnIcvMayHaveAnyKnownLength) {
  constexpr Outcome kRefused{EINVAL, pfkey::Diagnostic::bad_aalg}, kKeeps{EINVAL, pfkey::Diagnostic::none};
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (row.kind != pfkey::AlgorithmKind::auth) continue;
    for (std::uint32_t bits = 0; bits <= 520; bits += 8) {
      SCOPED_TRACE(std::string(row.name()) + ' ' + std::to_string(bits));
      Engine engine;
      Message m = add_ah(1);
      m.sa->auth = row.number, m.auth_key = key(row.max_bits / 8u, 0x31), m.icv = pfkey::Number{bits};
      ASSERT_EQ(outcome(engine, std::move(m)), row.icv_fits(bits) ? kDone : kRefused);
      if (!row.icv_fits(bits)) continue;
      const auto kept = bits == row.icv * 8u ? std::nullopt : std::optional(pfkey::Number{bits});
      EXPECT_EQ(dump(engine)[0].icv, kept);
      for (const std::uint32_t other : {96u, std::uint32_t{row.icv} * 8, std::uint32_t{row.max_bits}}) {
        Message update = request(Type::update, SaType::ah, 1);
        update.icv = pfkey::Number{other};
        EXPECT_EQ(outcome(engine, std::move(update)), other == bits ? kDone : kKeeps) << other;
      }
      EXPECT_EQ(dump(engine)[0].icv, kept);
    }
  }
  Engine engine;
  Message combined = add_esp(1);
  combined.sa->encrypt = 20, combined.encrypt_key = key(20), combined.sa->auth = 0, combined.auth_key.reset();
  combined.icv = pfkey::Number{128};
  EXPECT_EQ(outcome(engine, std::move(combined)), kRefused);
}

// covers RFC2367-2.3.4-1
TEST(Engine, DesParityIsCorrectedInTheStoredKey) {
  Engine engine;
  Message m = add_esp(1);
  m.sa->encrypt = 2;
  m.encrypt_key = key_of({0xbe, 0x02, 0x93, 0x8e, 0x7d, 0xef, 0x28, 0x39});
  ask(engine, std::move(m));
  EXPECT_EQ(dump(engine)[0].encrypt_key, key_of({0xbf, 0x02, 0x92, 0x8f, 0x7c, 0xef, 0x29, 0x38}));
}

TEST(Engine, KeysAndLimitsAreCheckedThenDroppedInADryRun) {
  Options options;
  options.dry_run = true;
  Engine engine(options);
  Message limited = add_esp(1);
  limited.hard = pfkey::Lifetime{.addtime = 100};
  EXPECT_EQ(outcome(engine, std::move(limited)), kDone);
  Message wrong = add_esp(2);
  wrong.encrypt_key = key(7);
  EXPECT_EQ(outcome(engine, std::move(wrong)), (Outcome{EINVAL, pfkey::Diagnostic::bad_ekeybits}));
  const auto all = dump(engine);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].encrypt_key, std::nullopt);
  EXPECT_EQ(all[0].auth_key, std::nullopt);
  EXPECT_EQ(all[0].hard, std::nullopt);
  EXPECT_EQ(engine.deadline(), std::nullopt);
}

// Parts that an UPDATE may not change are kept in a check, too, so that it decides like the SADB.
TEST(Engine, ADryRunChecksAnUpdateAgainstTheSa) {
  Options options;
  options.dry_run = true;
  Engine engine(options);
  Message cut = add_esp(1);
  cut.sa->auth = 5, cut.auth_key = key(32), cut.icv = pfkey::Number{96};
  ASSERT_EQ(outcome(engine, std::move(cut)), kDone);
  for (const auto& [bits, wanted] :
       {std::pair(96u, kDone), std::pair(128u, Outcome{EINVAL, pfkey::Diagnostic::none})}) {
    Message update = request(pfkey::Type::update, pfkey::SaType::esp, 1);
    update.icv = pfkey::Number{bits}, update.hard = pfkey::Lifetime{.bytes = 9};
    const auto sent = ask(engine, std::move(update));
    ASSERT_EQ(sent.size(), 1u);
    const Message& reply = sent[0].message;
    EXPECT_EQ((Outcome{reply.error, static_cast<pfkey::Diagnostic>(reply.diagnostic)}), wanted) << bits;
    EXPECT_EQ(reply.remark ? reply.remark->text : "",
              wanted == kDone ? "" : "`icv` cannot be changed after the SA was added");
  }
}

// The extensions that an SA keeps are shown; an UPDATE may repeat them, but not change them.
TEST(Engine, AnSaKeepsAndShowsWhatItWasAddedWith) {
  using Member = std::optional<pfkey::Number> Message::*;
  constexpr auto kWord = [](Member member, std::uint32_t value) {
    Message m;
    m.*member = pfkey::Number{value};
    return m.*member;
  };
  struct Row {
    Member member;
    std::uint32_t value, other;
    std::string_view keyword;
  };
  for (const Row& row : {Row{&Message::tfc_pad, 1400, 1401, "tfcpad"},
                         {&Message::df, pfkey::kDfSet, pfkey::kDfCopy, "df"},
                         {&Message::df, pfkey::kDfClear, pfkey::kDfSet, "df"},
                         {&Message::dscp, 0, pfkey::kDscpKeep, "dscp"},
                         {&Message::dscp, pfkey::kDscpCopy, 46, "dscp"},
                         {&Message::keepalive, 20, 21, "keepalive"},
                         {&Message::bundle, 3, 4, "bundle"}}) {
    SCOPED_TRACE(std::string(row.keyword));
    for (const bool dry_run : {false, true}) {
      Options options;
      options.dry_run = dry_run;
      Engine engine(options);
      Message m = add_esp(1);
      m.inner_src = m.src, m.inner_dst = m.dst;
      m.inner_src->prefix = m.inner_dst->prefix = 32;
      if (row.keyword == "keepalive")
        m.natt_remote = pfkey::Endpoint{.proto = 17, .address = m.dst->address, .port = 4500};
      m.*row.member = pfkey::Number{row.value};
      ASSERT_EQ(outcome(engine, std::move(m)), kDone);
      for (const std::uint32_t asked : {row.value, row.other}) {
        Message update = request(Type::update, SaType::esp, 1);
        update.*row.member = pfkey::Number{asked};
        const auto sent = ask(engine, std::move(update));
        ASSERT_EQ(sent.size(), 1u);
        const Message& reply = sent[0].message;
        EXPECT_EQ((Outcome{reply.error, static_cast<pfkey::Diagnostic>(reply.diagnostic)}),
                  asked == row.value ? kDone : (Outcome{EINVAL, pfkey::Diagnostic::none}));
        EXPECT_EQ(reply.remark ? reply.remark->text : "",
                  asked == row.value ? "" : fmt::format("`{}` cannot be changed after the SA was added", row.keyword));
      }
      EXPECT_EQ(dump(engine)[0].*row.member, kWord(row.member, row.value));
    }
  }
}

// Its source is the one from GETSPI.
TEST(Engine, AnUpdateOfALarvalSaMayLeaveTheSourceOfABundleOut) {
  for (const bool had_source : {true, false}) {
    Engine engine;
    Message range = getspi(9, 9);
    if (!had_source) range.src = endpoint("0.0.0.0");
    ask(engine, std::move(range));
    Message update = add_esp(9);
    update.type = Type::update;
    update.src = endpoint("0.0.0.0");
    update.bundle = pfkey::Number{3};
    const auto sent = ask(engine, std::move(update));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].message.error, had_source ? 0 : EINVAL);
    EXPECT_EQ(sent[0].message.remark ? sent[0].message.remark->text : "",
              had_source ? "" : "`bundle` needs the source address: give `src`");
    EXPECT_EQ(dump(engine)[0].bundle, had_source ? std::optional(pfkey::Number{3}) : std::nullopt);
  }
}

// An ADD would not contain it.
TEST(Engine, AnUpdateToADefaultStoresNothing) {
  for (const auto member : {&Message::reqid, &Message::if_id}) {
    Engine engine;
    ASSERT_EQ(outcome(engine, add_esp(1)), kDone);
    const auto said = dump(engine);
    for (const std::uint32_t value : {0u, 5u, 0u}) {
      Message update = request(Type::update, SaType::esp, 1);
      update.*member = pfkey::Number{value};
      ASSERT_EQ(outcome(engine, std::move(update)), kDone);
      EXPECT_EQ(dump(engine)[0].*member, value ? std::optional(pfkey::Number{value}) : std::nullopt);
    }
    EXPECT_EQ(dump(engine), said);
  }
}

// Extensions of the kernel are refused with the reason, unless the check is for the kernel.
TEST(Engine, ExtensionsForTheKernelAreRefusedWithAReason) {
  struct Row {
    void (*ask)(Message&);
    std::string_view why;
  };
  for (const Row& row :
       {Row{[](Message& m) { m.output_mark = pfkey::Mark{1, 1}; },
            "`output-mark` is for the kernel's SAs: ipsecd marks all its packets with its option --mark"},
        {[](Message& m) { m.device = pfkey::Device{"lo"}; },
         "`dev` is for the kernel's SAs: ipsecd does not know which device a packet uses"},
        {[](Message& m) { m.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "lo"}; },
         "`offload` is for the kernel's SAs: ipsecd processes its SAs itself"}})
    for (const bool as_linux : {false, true}) {
      Options options;
      options.as_linux = as_linux;
      Engine engine(options);
      Message m = add_esp(1);
      row.ask(m);
      const auto sent = ask(engine, std::move(m));
      ASSERT_EQ(sent.size(), 1u);
      EXPECT_EQ(sent[0].message.error, as_linux ? 0 : EOPNOTSUPP);
      EXPECT_EQ(sent[0].message.remark ? sent[0].message.remark->text : "", as_linux ? "" : row.why);
    }
}

// A record from another version may have values for which the packet path has no room.
TEST(Engine, OnlyAnSaWithValidNumbersIsRestored) {
  for (const auto& [auth, bits, there_is] :
       {std::tuple(5, 96u, true), {5, 100u, false}, {5, 65536u, false}, {0, 96u, false}}) {
    Engine engine;
    Kept kept;
    kept.sa = add_esp(1);
    kept.sa.sa->auth = static_cast<std::uint8_t>(auth), kept.sa.auth_key = key(32), kept.sa.icv = pfkey::Number{bits};
    EXPECT_EQ(engine.restore(std::move(kept), at(0)), there_is) << bits;
    EXPECT_EQ(engine.size(), there_is ? 1u : 0u);
  }
  for (const auto& [bytes, there_is] : {std::pair(65535u, true), {65536u, false}}) {
    Engine engine;
    Kept kept;
    kept.sa = add_esp(1);
    kept.sa.tfc_pad = pfkey::Number{bytes};
    EXPECT_EQ(engine.restore(std::move(kept), at(0)), there_is) << bytes;
  }
}

// The language and every SADB refuse an ICV of less than 96 bits, in whatever request and for whatever SA.
TEST(Engine, AShortIcvIsRefusedInEveryRequest) {
  Engine engine;
  ASSERT_EQ(outcome(engine, add_esp(1)), kDone);
  for (const pfkey::Type type : {pfkey::Type::update, pfkey::Type::get, pfkey::Type::del})
    for (const std::uint32_t bits : {0u, 8u, 95u}) {
      Message m = request(type, pfkey::SaType::esp, 1);
      m.icv = pfkey::Number{bits};
      const auto sent = ask(engine, std::move(m));
      ASSERT_EQ(sent.size(), 1u);
      EXPECT_EQ((Outcome{sent[0].message.error, static_cast<pfkey::Diagnostic>(sent[0].message.diagnostic)}),
                (Outcome{EINVAL, pfkey::Diagnostic::bad_aalg}));
      ASSERT_TRUE(sent[0].message.remark);
      EXPECT_EQ(sent[0].message.remark->text,
                "`icv` needs an authentication algorithm and one of its lengths: 96 bits, the length in its RFC, or "
                "the full output");
    }
  EXPECT_EQ(engine.size(), 1u);
}

TEST(Engine, AddressesAreNormalised) {
  Engine engine;
  Message m = add_esp(1);
  m.src = endpoint("::", 0, 0, 6), m.dst = endpoint("::ffff:192.0.2.2", 0, 443);
  m.natt_local = endpoint("::ffff:203.0.113.5", 0, 4500);
  m.inner_src = endpoint("::ffff:10.1.2.3", 104), m.inner_dst = endpoint("10.9.9.9", 24, 0, 17);
  m.sa->flags = pfkey::kFlagTunnel;
  m.src->proto = 0;
  ask(engine, std::move(m));
  const Message got = std::move(dump(engine)[0]);
  EXPECT_EQ(got.src, endpoint("0.0.0.0", 0, 0, 4));
  EXPECT_EQ(got.dst, endpoint("192.0.2.2", 0, 443, 4));
  EXPECT_EQ(got.natt_local, endpoint("203.0.113.5", 0, 4500, 17));
  EXPECT_EQ(got.inner_src, endpoint("10.0.0.0", 8, 0, 17));
  EXPECT_EQ(got.inner_dst, endpoint("10.9.9.0", 24, 0, 17));
}

// ---- direction

TEST(Engine, DirectionIsRequestedOrDerived) {
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  struct {
    const char *src, *dst;
    std::uint32_t asked, known, unknown;  // With and without knowledge of the local addresses.
  } const rows[] = {
      {"192.0.2.1", "192.0.2.2", 0, kOut, 0},
      {"192.0.2.2", "192.0.2.1", 0, kIn, 0},
      {"192.0.2.1", "192.0.2.1", 0, kIn | kOut, 0},
      {"0.0.0.0", "192.0.2.1", 0, kIn | kOut, 0},
      {"0.0.0.0", "192.0.2.2", 0, kIn | kOut, 0},
      {"192.0.2.8", "192.0.2.9", 0, kIn | kOut, 0},
      {"192.0.2.1", "224.0.0.5", 0, kIn | kOut, kIn | kOut},
      {"192.0.2.1", "192.0.2.2", kIn, kIn, kIn},
      {"192.0.2.8", "192.0.2.9", kOut, kOut, kOut},
      {"192.0.2.1", "192.0.2.2", kIn | kOut, kIn | kOut, kIn | kOut},
  };
  Options local;
  local.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.src) + " to " + row.dst);
    Message m = add_esp(1);
    m.src = endpoint(row.src), m.dst = endpoint(row.dst);
    m.sa->flags = row.asked;
    Engine knows(local), does_not;
    EXPECT_EQ(ask(knows, m.clone())[0].message.sa->flags, row.known);
    EXPECT_EQ(ask(does_not, m.clone())[0].message.sa->flags, row.unknown);
    m.sa->flags = row.known;
    Engine elsewhere;
    EXPECT_EQ(ask(elsewhere, m.clone())[0].message.sa->flags, row.known);  // As in a saved file.
  }
}

TEST(Engine, AnSaWithPortsProtocolOrInnerAddressesIsUnique) {
  Engine engine;
  Message port = add_esp(1), proto = add_esp(2), plain = add_esp(3);
  port.src->port = 80;
  proto.dst->proto = 17;
  EXPECT_EQ(ask(engine, std::move(port))[0].message.sa->flags, pfkey::kFlagUnique);
  EXPECT_EQ(ask(engine, std::move(proto))[0].message.sa->flags, pfkey::kFlagUnique);
  EXPECT_EQ(ask(engine, std::move(plain))[0].message.sa->flags, 0u);
}

// ---- deleting many

std::vector<std::uint32_t> spis(Engine& engine) {
  std::vector<std::uint32_t> all;
  for (const Message& m : dump(engine)) all.push_back(m.sa->spi);
  return all;
}

TEST(Engine, DeleteWithoutSaMatchesAllSpecifiedParts) {
  Engine engine;
  for (const std::uint32_t spi : {1u, 2u, 3u, 4u, 5u}) {
    Message m = add_esp(spi);
    if (spi == 2) m.dst = endpoint("192.0.2.3");
    if (spi >= 3) m.km_cookie = pfkey::KmCookie{1, spi};
    if (spi >= 4) m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "a.example"};
    ask(engine, std::move(m));
  }
  ask(engine, getspi(9, 9));
  ask(engine, add_ah(1));
  const auto remove = [&](auto say) {
    Message m = request(Type::del, SaType::esp);
    m.dst = endpoint("192.0.2.2");
    say(m);
    Message wanted = m.clone();
    const auto sent = ask(engine, std::move(m));
    EXPECT_EQ(sent[0], (Sent{Audience::everyone, std::move(wanted)}));
    return spis(engine);
  };
  using List = std::vector<std::uint32_t>;
  EXPECT_EQ(remove([](Message& m) { m.src = endpoint("192.0.2.7"); }), (List{1, 2, 3, 4, 5, 9, 1}));
  EXPECT_EQ(remove([](Message& m) {
              m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "a.example"};
              m.km_cookie = pfkey::KmCookie{1, 4};
            }),
            (List{1, 2, 3, 5, 9, 1}));
  EXPECT_EQ(remove([](Message& m) { m.km_cookie = pfkey::KmCookie{0, 3}; }), (List{2, 5, 9, 1}));
  EXPECT_EQ(remove([](Message&) {}), (List{2, 9, 1}));
}

TEST(Engine, DeletePairByStateDeletesSendersAndTheirPartners) {
  Options options;
  options.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
  Engine engine(options);
  ask(engine, add_esp(1));
  Message back = reversed(add_esp(2));
  back.pair = pfkey::Pair{1};
  ask(engine, std::move(back));
  ask(engine, reversed(add_esp(3)));
  Message other = add_esp(4);
  other.sa->state = pfkey::State::active_elsewhere;
  ask(engine, std::move(other));
  Message m = request(Type::x_delpair_state, SaType::unspec, 99);
  m.dst.reset();
  const Message wanted = m.clone();
  const auto sent = ask(engine, std::move(m));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message, wanted);
  EXPECT_EQ(sent[0].to, Audience::sender);
  EXPECT_EQ(spis(engine), (std::vector<std::uint32_t>{3, 4}));
}

// ---- UPDATE

TEST(Engine, UpdateIsEchoedAndStoresNoFlags) {
  Engine engine;
  ask(engine, add_esp(1));
  Message m = request(Type::update, SaType::esp, 1);
  m.sa->flags = pfkey::kFlagInbound | 0x400000;
  m.replay_value = pfkey::ReplayValue{.low = 77};
  const Message wanted = m.clone();
  const auto sent = ask(engine, std::move(m));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message, wanted);
  EXPECT_EQ(dump(engine)[0].sa->flags, 0u);
  EXPECT_EQ(dump(engine)[0].replay_value, (pfkey::ReplayValue{.low = 77}));
}

TEST(Engine, UpdateReplacesWhatItNamesAndNothingElse) {
  Engine engine;
  Message added = add_esp(1);
  added.sa->replay = 32;
  added.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "a.example"};
  added.dst_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "b.example"};
  ask(engine, std::move(added));
  const auto updated = [&](auto change) {
    Message m = request(Type::update, SaType::esp, 1);
    change(m);
    EXPECT_EQ(outcome(engine, std::move(m)), kDone);
    return std::move(dump(engine)[0]);
  };
  const Message first = updated([](Message& m) {
    m.reqid = pfkey::Number{5}, m.if_id = pfkey::Number{6}, m.mark = pfkey::Mark{1, 3};
    m.dst_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "c.example"};
  });
  EXPECT_EQ(first.reqid, pfkey::Number{5});
  EXPECT_EQ(first.if_id, pfkey::Number{6});
  EXPECT_EQ(first.mark, (pfkey::Mark{1, 3}));
  EXPECT_EQ(first.src_identity->text, "a.example");
  EXPECT_EQ(first.dst_identity->text, "c.example");
  EXPECT_EQ(first.sa->replay, 32);

  const auto window_after = [&](std::uint8_t small, std::optional<pfkey::ReplayWindow> wide) {
    const Message m = updated([&](Message& u) { u.sa->replay = small, u.replay_window = wide; });
    return std::pair(m.sa->replay, m.replay_window);
  };
  using Window = pfkey::ReplayWindow;
  EXPECT_EQ(window_after(64, {}), (std::pair<std::uint8_t, std::optional<Window>>(64, {})));
  EXPECT_EQ(window_after(255, Window{1000, false}), (std::pair(std::uint8_t{255}, std::optional(Window{1000, false}))));
  EXPECT_EQ(window_after(0, {}), (std::pair(std::uint8_t{255}, std::optional(Window{1000, false}))));
  EXPECT_EQ(window_after(16, {}), (std::pair<std::uint8_t, std::optional<Window>>(16, {})));
}

TEST(Engine, AnSaKeepsItsKindOfNumbers) {
  Engine engine;
  Message added = add_esp(1);
  added.sa->replay = 64, added.replay_window = pfkey::ReplayWindow{64, true};
  ask(engine, std::move(added));
  Message m = request(Type::update, SaType::esp, 1);
  m.sa->replay = 128;
  EXPECT_EQ(outcome(engine, m.clone()), kDone);
  EXPECT_EQ(dump(engine)[0].replay_window, (pfkey::ReplayWindow{128, true}));
  m.sa->replay = 0, m.replay_window = pfkey::ReplayWindow{0, true};
  EXPECT_EQ(outcome(engine, m.clone()), kDone);
  EXPECT_EQ(dump(engine)[0].replay_window, (pfkey::ReplayWindow{128, true}));
}

TEST(Engine, AWindowAndItsPositionMayBeSetTogether) {
  Engine engine;
  Message added = add_esp(1);
  added.sa->flags = pfkey::kFlagInbound;
  ask(engine, std::move(added));
  Message m = request(Type::update, SaType::esp, 1);
  m.sa->replay = 32, m.replay_value = pfkey::ReplayValue{.low = 9};
  EXPECT_EQ(outcome(engine, std::move(m)), kDone);
  EXPECT_EQ(dump(engine)[0].replay_value, (pfkey::ReplayValue{.low = 9}));
}

TEST(Engine, OnlyIkev2MayChangeTheCookie) {
  Engine engine;
  Message m = add_esp(1);
  m.km_cookie = pfkey::KmCookie{3, 5};
  ask(engine, std::move(m));
  m = request(Type::update, SaType::esp, 1);
  m.km_cookie = pfkey::KmCookie{3, 6};
  EXPECT_EQ(outcome(engine, m.clone()), kDone);
  EXPECT_EQ(dump(engine)[0].km_cookie, (pfkey::KmCookie{3, 6}));
  m.km_cookie = pfkey::KmCookie{0, 7};
  EXPECT_EQ(outcome(engine, m.clone()), (Outcome{EINVAL, pfkey::Diagnostic::duplicate_kmc}));
}

TEST(Engine, IfMarksNameSasTheyMayDifferOnlyByMark) {
  for (const bool dry_run : {false, true}) {
    Options options;
    options.names_by_mark = true, options.dry_run = dry_run;
    Engine engine(options);
    const auto marked = [](Type type, std::uint32_t mark) {
      Message m = type == Type::add ? add_esp(1) : request(type, SaType::esp, 1);
      if (mark != 0) m.mark = pfkey::Mark{mark, 0xff};
      return m;
    };
    for (const std::uint32_t mark : {0u, 1u, 2u}) EXPECT_EQ(outcome(engine, marked(Type::add, mark)), kDone);
    EXPECT_EQ(outcome(engine, marked(Type::add, 1)), (Outcome{EEXIST, pfkey::Diagnostic::none}));
    EXPECT_EQ(outcome(engine, marked(Type::get, 3)), (Outcome{ESRCH, pfkey::Diagnostic::sa_notfound}));
    // Both halves of a pair have the same mark.
    Message back = reversed(add_esp(2));
    back.mark = pfkey::Mark{2, 0xff}, back.pair = pfkey::Pair{1};
    EXPECT_EQ(outcome(engine, back.clone()), kDone);
    EXPECT_EQ(outcome(engine, marked(Type::update, 2)), kDone);
    EXPECT_EQ(outcome(engine, marked(Type::del, 1)), kDone);
    EXPECT_EQ(outcome(engine, marked(Type::get, 1)), (Outcome{ESRCH, pfkey::Diagnostic::sa_notfound}));
    EXPECT_EQ(outcome(engine, marked(Type::x_delpair, 2)), kDone);
    EXPECT_EQ(outcome(engine, marked(Type::get, 0)), kDone);
    EXPECT_EQ(engine.size(), 1u);
  }
}

// ---- DUMP

TEST(Engine, DumpWithATimeoutListsUnusedSas) {
  CountedPackets packets;
  Options options;
  options.carrier = &packets;
  Engine engine(std::move(options));
  for (const std::uint32_t spi : {1u, 2u, 3u}) ask(engine, add_esp(spi), at(spi * 10));
  packets.charge(engine, {SaType::esp, 1, *parse_address("192.0.2.2")}, 1, false, at(50), [](Audience, Message&&) {});
  const auto listed = [&](std::uint64_t timeout) {
    Message m = request(Type::dump, SaType::unspec);
    m.extended_dump = pfkey::ExtendedDump{timeout};
    const auto walk = engine.dump(m, at(60), [](Audience, Message&&) {});
    std::vector<std::uint32_t> all;
    while (auto next = engine.next(*walk)) all.push_back(next->sa->spi);
    return all;
  };
  using List = std::vector<std::uint32_t>;
  EXPECT_EQ(listed(0), (List{1, 2, 3}));
  EXPECT_EQ(listed(10), (List{1, 2, 3}));
  EXPECT_EQ(listed(30), (List{2, 3}));
  EXPECT_EQ(listed(40), (List{2}));
  EXPECT_EQ(listed(UINT64_MAX), List{});
}

TEST(Engine, AWalkMayOutliveItsEngine) {
  std::unique_ptr<DumpWalk> walk;
  {
    Engine engine;
    ask(engine, add_esp(1));
    walk = engine.dump(request(Type::dump, SaType::esp), at(0), [](Audience, Message&&) {});
  }
  EXPECT_EQ(Engine::dump_end(*walk).seq, 0u);
}

}  // namespace
}  // namespace ipseckey::engine
