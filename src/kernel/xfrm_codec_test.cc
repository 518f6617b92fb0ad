// Requests to the kernel, and how the kernel reports them afterwards: nothing is lost in between.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/detail/xfrm_label.h"
#include "kernel/detail/xfrm_rules.h"
#include "pfkey/algorithms.h"

namespace ipseckey::kernel::xfrm {
namespace {

using pfkey::Endpoint;
using pfkey::Message;

Endpoint endpoint(std::string_view address, std::uint8_t proto = 0, std::uint16_t port = 0, std::uint8_t prefix = 0) {
  return {proto, prefix, *parse_address(address), port};
}

pfkey::Key key(unsigned bits) {
  Secret material(bits / 8);
  for (std::size_t i = 0; i < material.size(); ++i) material.bytes()[i] = static_cast<std::byte>(i + 1);
  return {static_cast<std::uint16_t>(bits), 0, std::move(material)};
}

Message add(std::string_view src = "192.0.2.1", std::string_view dst = "192.0.2.2") {
  Message m;
  m.type = pfkey::Type::add;
  m.satype = pfkey::SaType::esp;
  m.sa = pfkey::Sa{.spi = 0x2112, .state = pfkey::State::mature, .encrypt = 20};
  m.src = endpoint(src), m.dst = endpoint(dst);
  m.encrypt_key = key(160);
  return m;
}

// The payload of the message for m.
std::vector<std::byte> payload(const Message& m) {
  NetlinkBatch batch;
  EXPECT_TRUE(put_sa(m, XFRM_MSG_NEWSA, {3, 7}, batch));
  const Bytes bytes = batch.bytes().subspan(sizeof(nlmsghdr));
  return {bytes.begin(), bytes.end()};
}

Message told(const Message& m) {
  DecodeContext context;
  context.device_name = [](std::uint32_t index) { return "eth" + std::to_string(index); };
  return sa_of(payload(m), context).value();
}

// As in the kernel's selectors: the type is in the source port's field, the code in the other; for 0, only the mask
// shows that it is meant.
TEST(XfrmCodec, IcmpTypesAndCodesAreRestored) {
  struct Row {
    std::uint8_t proto;
    std::uint16_t type, code;                            // As in PF_KEY: 256 means 0, and 0 means any.
    std::uint16_t sport, sport_mask, dport, dport_mask;  // As the kernel does.
  };
  for (const Row& row :
       {Row{1, 8, 256, 8, 65535, 0, 65535}, Row{1, 256, 0, 0, 65535, 0, 0}, Row{58, 128, 0, 128, 65535, 0, 0},
        Row{58, 1, 4, 1, 65535, 4, 65535}, Row{58, 0, 0, 0, 0, 0, 0}, Row{17, 256, 0, 256, 65535, 0, 0}})
    for (const bool tunnel : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} {} {}", row.proto, row.type, row.code, tunnel));
      Message m = add();
      if (tunnel) {
        m.sa->flags |= pfkey::kFlagTunnel;
        m.src->proto = m.dst->proto = pfkey::kProtoIpip;
        m.inner_src = endpoint("10.1.0.0", row.proto, row.type, 16);
        m.inner_dst = endpoint("10.2.0.0", row.proto, row.code, 16);
      } else {
        m.src->proto = m.dst->proto = row.proto;
        m.src->port = row.type, m.dst->port = row.code;
      }
      const auto sel = front<xfrm_usersa_info>(payload(m))->sel;
      EXPECT_EQ(big_endian(sel.sport), row.sport);
      EXPECT_EQ(sel.sport_mask, row.sport_mask);
      EXPECT_EQ(big_endian(sel.dport), row.dport);
      EXPECT_EQ(sel.dport_mask, row.dport_mask);
      const Message back = told(m);
      EXPECT_EQ(tunnel ? back.inner_src : back.src, tunnel ? m.inner_src : m.src);
      EXPECT_EQ(tunnel ? back.inner_dst : back.dst, tunnel ? m.inner_dst : m.dst);
    }
}

TEST(XfrmCodec, EveryAlgorithmIsRestoredWithItsKey) {
  for (const pfkey::Algorithm& a : pfkey::algorithms()) {
    Message m = add();
    const bool mac = a.kind == pfkey::AlgorithmKind::auth;
    m.sa->encrypt = mac ? 0 : a.number, m.sa->auth = mac ? a.number : 0;
    m.satype = mac ? pfkey::SaType::ah : pfkey::SaType::esp;
    m.encrypt_key.reset();
    if (a.takes_key()) (mac ? m.auth_key : m.encrypt_key) = key(a.max_bits + a.salt_bits);
    const Message back = told(m);
    EXPECT_EQ(back.satype, m.satype) << a.name();
    EXPECT_EQ(back.sa->auth, m.sa->auth) << a.name();
    EXPECT_EQ(back.sa->encrypt, m.sa->encrypt) << a.name();
    const auto& sent = mac ? m.auth_key : m.encrypt_key;
    const auto& got = mac ? back.auth_key : back.encrypt_key;
    ASSERT_EQ(got.has_value(), sent.has_value()) << a.name();
    if (!got) continue;
    EXPECT_TRUE(got->material == sent->material) << a.name();
    EXPECT_EQ(got->bits, a.max_bits) << a.name();
    EXPECT_EQ(got->reserved, a.salt_bits) << a.name();
  }
}

// Plain `ip xfrm` uses 96 bits for hmac(sha256), which differs from RFC 4868.
TEST(XfrmCodec, EveryLengthOfAnIcvIsRestored) {
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    for (std::uint32_t bits = 8; bits <= 512; bits += 8) {
      if (!a.icv_fits(bits)) continue;
      Message m = add();
      m.satype = pfkey::SaType::ah;
      m.sa->encrypt = 0, m.sa->auth = a.number;
      m.encrypt_key.reset(), m.auth_key = key(a.max_bits);
      m.icv = pfkey::Number{bits};
      EXPECT_FALSE(wrong_with(m, false)) << a.name() << bits;
      const auto wire = payload(m);
      Reader in(Attributes(wire, sizeof(xfrm_usersa_info))[XFRMA_ALG_AUTH_TRUNC]);
      std::uint32_t sent = 0;
      in.take(64 + 4);  // The name, then the key's bits.
      in.host(sent);
      EXPECT_EQ(sent, bits) << a.name();
      const Message back = told(m);
      EXPECT_EQ(back.sa->auth, a.number) << bits;
      EXPECT_EQ(back.icv, bits == a.icv * 8u ? std::nullopt : m.icv) << a.name() << bits;
      EXPECT_FALSE(back.remark) << a.name() << bits;
    }
  Message odd = add();
  odd.satype = pfkey::SaType::ah;
  odd.sa->encrypt = 0, odd.sa->auth = 5;
  odd.encrypt_key.reset(), odd.auth_key = key(256), odd.icv = pfkey::Number{80};
  EXPECT_EQ(told(odd).remark->text,
            "its authentication algorithm hmac(sha256) with an ICV of 80 bits has no PF_KEY number");
}

// The kernel accepts them (RFC 2104 section 3), so a saved file loads.
TEST(XfrmCodec, HmacKeysOfOtherLengthsAreAcceptedAndRestored) {
  for (const unsigned bits : {72u, 80u, 128u, 176u, 2048u}) {
    Message m = add();
    m.satype = pfkey::SaType::ah;
    m.sa->encrypt = 0, m.sa->auth = 3;
    m.encrypt_key.reset();
    m.auth_key = key(bits);
    const auto wrong = wrong_with(m, false);
    EXPECT_EQ(wrong.has_value(), bits < 80) << bits;
    if (wrong) {
      EXPECT_EQ(wrong->diagnostic, pfkey::Diagnostic::bad_akeybits);
    }
    const Message back = told(m);
    ASSERT_TRUE(back.auth_key) << bits;
    EXPECT_TRUE(*back.auth_key == *m.auth_key) << bits;
  }
}

TEST(XfrmCodec, EveryPropertyIsRestored) {
  Message m = add("2001:db8::1", "2001:db8::2");
  m.sa->flags = pfkey::kFlagInbound;
  m.sa->replay = 255;
  m.replay_window = pfkey::ReplayWindow{1000, true};
  m.replay_value = pfkey::ReplayValue{77, 0};
  m.inner_src = endpoint("10.1.0.0", 6, 80, 16), m.inner_dst = endpoint("10.2.0.0", 6, 443, 24);
  m.soft = pfkey::Lifetime{1, 2, 3, 4}, m.hard = pfkey::Lifetime{5, 6, 7, 8};
  m.reqid = pfkey::Number{9}, m.if_id = pfkey::Number{10}, m.mark = pfkey::Mark{0x10, 0xf0};
  m.offload = pfkey::Offload{pfkey::Offload::Mode::packet, "eth3"};
  const Message back = told(m);
  EXPECT_EQ(back.sa->spi, 0x2112u);
  EXPECT_EQ(back.sa->replay, 255);
  EXPECT_EQ(back.sa->flags & pfkey::kFlagInbound, pfkey::kFlagInbound);
  EXPECT_EQ(back.src, endpoint("2001:db8::1", 4));
  EXPECT_EQ(back.dst, endpoint("2001:db8::2", 4));
  EXPECT_EQ(back.replay_window, m.replay_window);
  EXPECT_EQ(back.replay_value, m.replay_value);
  EXPECT_EQ(back.inner_src, m.inner_src);
  EXPECT_EQ(back.inner_dst, m.inner_dst);
  EXPECT_EQ(back.soft, m.soft);
  EXPECT_EQ(back.hard, m.hard);
  EXPECT_EQ(back.reqid, m.reqid);
  EXPECT_EQ(back.if_id, m.if_id);
  EXPECT_EQ(back.mark, m.mark);
  EXPECT_EQ(back.offload, m.offload);
  EXPECT_FALSE(back.remark);
}

// RFC 4302 section 2.6 against Linux's own way; if both give the same, the flag is not changed.
TEST(XfrmCodec, AhIsAlignedAsInTheRfcUnlessRequestedOtherwise) {
  struct Row {
    std::uint8_t auth;
    unsigned bits;
    bool v6;
    std::optional<std::uint32_t> asked;
    bool align4;
  };
  const Row rows[] = {{5, 256, false, {}, true}, {5, 256, false, 4, true},  {5, 256, false, 8, false},
                      {5, 256, true, {}, false}, {7, 512, false, {}, true}, {3, 160, false, {}, false},
                      {3, 160, false, 4, false}, {6, 384, false, 8, false}};
  for (const Row& row : rows) {
    Message m = row.v6 ? add("2001:db8::1", "2001:db8::2") : add();
    m.satype = pfkey::SaType::ah, m.sa->encrypt = 0, m.sa->auth = row.auth;
    m.encrypt_key.reset(), m.auth_key = key(row.bits);
    if (row.asked) m.ah_align = pfkey::Number{*row.asked};
    const auto info = front<xfrm_usersa_info>(payload(m));
    EXPECT_EQ((info->flags & XFRM_STATE_ALIGN4) != 0, row.align4) << int{row.auth} << row.v6;
    const Message back = told(m);
    EXPECT_EQ(back.ah_align.has_value(), row.asked == 8) << int{row.auth} << row.v6;
    EXPECT_FALSE(back.remark);
  }
}

TEST(XfrmCodec, NatPortsFollowTheDirection) {
  for (const std::uint32_t way : {std::uint32_t{pfkey::kFlagInbound}, std::uint32_t{pfkey::kFlagOutbound}}) {
    Message m = add();
    m.sa->flags = way;
    m.natt_local = endpoint("0.0.0.0", 17, 4500), m.natt_remote = endpoint("10.9.9.9", 17, 4501);
    const Message back = told(m);
    EXPECT_EQ(back.natt_local, m.natt_local);
    EXPECT_EQ(back.natt_remote, m.natt_remote);
  }
}

TEST(XfrmCodec, ADirectionIsSentToKernelsThatSupportIt) {
  struct Row {
    std::uint32_t flags;
    std::uint8_t window;
    std::optional<std::uint8_t> attribute;
  };
  const Row rows[] = {
      {pfkey::kFlagInbound, 32, kDirectionIn},
      {pfkey::kFlagOutbound, 0, kDirectionOut},
      {pfkey::kFlagOutbound, 32, std::nullopt},  // The kernel would refuse a window there.
      {pfkey::kFlagInbound | pfkey::kFlagOutbound, 0, std::nullopt},
      {0, 0, std::nullopt},
  };
  for (const Row& row : rows) {
    Message m = add();
    m.sa->flags = row.flags, m.sa->replay = row.window;
    const auto wire = payload(m);
    EXPECT_EQ(Attributes(wire, sizeof(xfrm_usersa_info)).get<std::uint8_t>(kSaDirection), row.attribute) << row.flags;
    const std::uint32_t ways = pfkey::kFlagInbound | pfkey::kFlagOutbound;
    EXPECT_EQ(told(m).sa->flags & ways, row.attribute ? row.flags : 0) << row.flags;
  }
}

TEST(XfrmCodec, ALabelIsAContextsLevelAndCompartments) {
  Message m = add();
  pfkey::Sensitivity& label = m.sensitivity.emplace();
  label.level = 3;
  label.bitmap = {0x8000'0000'0000'0001, 0x4000'0000'0000'0000};  // The first bit is compartment 0.
  EXPECT_EQ(context_of(label), "system_u:object_r:ipsec_spd_t:s3:c0,c63,c65");
  label.bitmap.clear();
  EXPECT_EQ(context_of(label), "system_u:object_r:ipsec_spd_t:s3");
  const auto wire = payload(m);
  const Bytes context = Attributes(wire, sizeof(xfrm_usersa_info))[XFRMA_SEC_CTX];
  const auto head = front<xfrm_user_sec_ctx>(context);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->len, context.size());
  EXPECT_EQ(head->ctx_len, context.size() - sizeof *head);
  EXPECT_EQ(head->ctx_alg, XFRM_SC_ALG_SELINUX);
  for (const auto& bitmap : {std::vector<std::uint64_t>(), {0x8000'0000'0000'0001, 0x4000'0000'0000'0000}}) {
    label.bitmap = bitmap;
    const Message back = told(m);
    EXPECT_EQ(back.sensitivity->level, 3);
    EXPECT_EQ(back.sensitivity->bitmap, bitmap);
    EXPECT_FALSE(back.remark);
  }
  EXPECT_FALSE(wrong_with(m, true));
  EXPECT_EQ(wrong_with(m, false)->diagnostic, pfkey::Diagnostic::bad_label);
}

// Another program may have written the context: what our language cannot express is reported.
TEST(XfrmCodec, AForeignContextIsReported) {
  struct Row {
    std::string_view text;
    std::optional<int> level;
    std::vector<std::uint64_t> bitmap;
  };
  const Row rows[] = {
      {"root:object_r:other_t:s4:c0.c2,c64", 4, {0xe000'0000'0000'0000, 0x8000'0000'0000'0000}},
      {"system_u:object_r:ipsec_spd_t:s0-s15:c0.c1023", 0, {}},
      {"system_u:object_r:ipsec_spd_t:s1:c5000000000,c1", 1, {}},
      {"unlabeled", std::nullopt, {}},
  };
  for (const Row& row : rows) {
    std::vector<std::byte> wire = payload(add());
    std::vector<std::byte> context(sizeof(xfrm_user_sec_ctx));
    for (const char c : row.text) context.push_back(static_cast<std::byte>(c));
    NetlinkBatch batch;
    batch.begin(XFRM_MSG_NEWSA);
    batch.body(wire);
    batch.attribute(XFRMA_SEC_CTX, context);
    const Message back = sa_of(batch.bytes().subspan(sizeof(nlmsghdr)), {}).value();
    ASSERT_TRUE(back.remark) << row.text;
    EXPECT_EQ(back.remark->text, "its security context is " + std::string(row.text));
    ASSERT_EQ(back.sensitivity.has_value(), row.level.has_value()) << row.text;
    if (!row.level) continue;
    EXPECT_EQ(back.sensitivity->level, *row.level) << row.text;
    EXPECT_EQ(back.sensitivity->bitmap, row.bitmap) << row.text;
  }
}

TEST(XfrmCodec, HiddenKeysAreLeftOutWithARemark) {
  Message m = add();
  m.encrypt_key->material = Secret(20);
  DecodeContext context;
  context.keys_hidden = true;
  const auto back = sa_of(payload(m), context);
  EXPECT_FALSE(back->encrypt_key);
  EXPECT_EQ(back->remark->text, "the kernel's lockdown mode hides keys");
}

TEST(XfrmCodec, EveryTruncationIsReadSafely) {
  const auto whole = payload(add());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto m = sa_of(Bytes(whole).first(size), {});
    EXPECT_EQ(m.has_value(), size >= sizeof(xfrm_usersa_info)) << size;
    EXPECT_FALSE(m && m->encrypt_key && m->encrypt_key->material.size() != 20) << size;
  }
}

// Their attributes, flags and fields as in linux/xfrm.h, in both directions.
TEST(XfrmCodec, EveryPlainPartIsRestored) {
  struct Row {
    void (*ask)(Message&);
    std::uint8_t flags;
    std::uint32_t extra;
    std::optional<std::uint32_t> pad, mark, mask;
    int device;
  };
  const Row rows[] = {
      {[](Message&) {}, 0, 0, {}, {}, {}, 0},
      {[](Message& m) { m.tfc_pad = pfkey::Number{1400}; }, 0, 0, 1400, {}, {}, 0},
      {[](Message& m) { m.output_mark = pfkey::Mark{0x5, 0xf}; }, 0, 0, {}, 5, 15, 0},
      {[](Message& m) { m.device = pfkey::Device{"eth7"}; }, 0, 0, {}, {}, {}, 7},
      {[](Message& m) { m.df = pfkey::Number{pfkey::kDfClear}; }, XFRM_STATE_NOPMTUDISC, 0, {}, {}, {}, 0},
      {[](Message& m) { m.dscp = pfkey::Number{pfkey::kDscpCopy}; }, XFRM_STATE_DECAP_DSCP, 0, {}, {}, {}, 0},
      {[](Message& m) { m.dscp = pfkey::Number{0}; }, 0, XFRM_SA_XFLAG_DONT_ENCAP_DSCP, {}, {}, {}, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(&row - rows);
    Message m = add();
    m.inner_src = endpoint("10.1.0.0", 0, 0, 16), m.inner_dst = endpoint("10.2.0.0", 0, 0, 16);
    const Message plain = told(m);
    row.ask(m);
    EXPECT_FALSE(wrong_with(m, false));
    const auto wire = payload(m);
    const auto info = front<xfrm_usersa_info>(wire).value();
    const Attributes had(wire, sizeof info);
    EXPECT_EQ(info.flags, row.flags);
    EXPECT_EQ(info.sel.ifindex, row.device);
    EXPECT_EQ(had.get<std::uint32_t>(XFRMA_SA_EXTRA_FLAGS).value_or(0), row.extra);
    EXPECT_EQ(had.get<std::uint32_t>(XFRMA_TFCPAD), row.pad);
    EXPECT_EQ(had.get<std::uint32_t>(XFRMA_SET_MARK), row.mark);
    EXPECT_EQ(had.get<std::uint32_t>(XFRMA_SET_MARK_MASK), row.mask);
    Message expected = plain.clone();
    row.ask(expected);
    EXPECT_EQ(told(m), expected);
  }
}

// Linux refuses such flags if it knows that they cannot have an effect.
TEST(XfrmCodec, ADirectionThatAFlagExcludesIsNotSent) {
  struct Row {
    std::optional<std::uint32_t> df, dscp;
    std::uint32_t way;
    bool said;
  };
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  for (const Row& row : {Row{pfkey::kDfClear, {}, kIn, false}, Row{pfkey::kDfClear, {}, kOut, true},
                         Row{{}, 0, kIn, false}, Row{{}, 0, kOut, true}, Row{{}, pfkey::kDscpCopy, kIn, true},
                         Row{{}, pfkey::kDscpCopy, kOut, false}, Row{{}, {}, kIn, true}}) {
    Message m = add();
    m.inner_src = endpoint("10.1.0.0", 0, 0, 16), m.inner_dst = endpoint("10.2.0.0", 0, 0, 16);
    m.sa->flags |= row.way;
    if (row.df) m.df = pfkey::Number{*row.df};
    if (row.dscp) m.dscp = pfkey::Number{*row.dscp};
    const auto wire = payload(m);
    EXPECT_EQ(Attributes(wire, sizeof(xfrm_usersa_info)).has(kSaDirection), row.said) << row.way;
  }
}

// Flags without an effect on the SA, or without a word of their own in the language, become a remark.
TEST(XfrmCodec, FlagsWithoutAWordAreReported) {
  struct Row {
    bool tunnel;
    std::uint8_t flags;
    std::uint32_t extra;
    std::string_view remark;
  };
  for (const Row& row :
       {Row{false, XFRM_STATE_NOPMTUDISC, 0, "it has the flag nopmtudisc"},
        {true, XFRM_STATE_NOECN | XFRM_STATE_WILDRECV, 0, "it has the flag noecn; it has the flag wildrecv"},
        {true, XFRM_STATE_DECAP_DSCP, XFRM_SA_XFLAG_DONT_ENCAP_DSCP, "it has the flag dont-encap-dscp"},
        {true, 0, XFRM_SA_XFLAG_OSEQ_MAY_WRAP | 0x80, "it has the flag oseq-may-wrap; it has the extra flags 0x80"}}) {
    Message m = add();
    if (row.tunnel) m.inner_src = endpoint("10.1.0.0", 0, 0, 16), m.inner_dst = endpoint("10.2.0.0", 0, 0, 16);
    auto wire = payload(m);
    auto info = front<xfrm_usersa_info>(wire).value();
    info.flags |= row.flags;
    std::ranges::copy(bytes_of(info), wire.begin());
    NetlinkBatch batch;
    batch.begin(XFRM_MSG_NEWSA);
    batch.body(wire);
    if (row.extra) batch.attribute(XFRMA_SA_EXTRA_FLAGS, bytes_of(row.extra));
    const Message back = sa_of(batch.bytes().subspan(sizeof(nlmsghdr)), {}).value();
    ASSERT_TRUE(back.remark);
    EXPECT_EQ(back.remark->text, row.remark);
    EXPECT_EQ(back.df, std::nullopt);
  }
}

TEST(XfrmRules, NameWhatLinuxLacks) {
  struct Row {
    std::optional<pfkey::Number> Message::* member;
    std::uint32_t value;
    std::string_view why;
  };
  for (const Row& row :
       {Row{&Message::df, pfkey::kDfSet, "`df set` works only with ipsecd: Linux can only copy or clear the flag"},
        {&Message::dscp, 1,
         "`dscp` with a number from 1 to 63 works only with ipsecd: Linux can only set it to 0, copy it or keep it"},
        {&Message::keepalive, 20,
         "`keepalive` works only with ipsecd: most kernels send none, and this program does not configure those of "
         "Linux 6.11"},
        {&Message::bundle, 1,
         "`bundle` works only with ipsecd: on Linux, the template of a policy lists the SAs to apply together"}}) {
    Message m = add();
    m.inner_src = endpoint("10.1.0.0", 0, 0, 16), m.inner_dst = endpoint("10.2.0.0", 0, 0, 16);
    m.natt_remote = endpoint("10.9.9.9", 17, 4500);
    m.*row.member = pfkey::Number{row.value};
    const auto wrong = wrong_with(m, false);
    ASSERT_TRUE(wrong) << row.why;
    EXPECT_EQ(wrong->error, EOPNOTSUPP);
    EXPECT_EQ(wrong->diagnostic, pfkey::Diagnostic::none);
    EXPECT_EQ(wrong->text, row.why);
  }
}

TEST(XfrmRules, RefuseWhatTheKernelWouldRefuse) {
  struct Row {
    void (*spoil)(Message&);
    std::uint8_t error;
    pfkey::Diagnostic diagnostic;
  };
  using D = pfkey::Diagnostic;
  const Row rows[] = {
      {[](Message& m) { m.dst.reset(); }, EINVAL, D::missing_dst},
      {[](Message& m) { m.sa->spi = 0; }, EINVAL, D::malformed_sa},
      {[](Message& m) { m.encrypt_key.reset(); }, EINVAL, D::missing_ekey},
      {[](Message& m) { m.encrypt_key = key(128); }, EINVAL, D::bad_ekeybits},
      {[](Message& m) { m.encrypt_key->material = Secret(20); }, EINVAL, D::malformed_ekey},
      {[](Message& m) { m.encrypt_key = key(224), m.encrypt_key->reserved = 64; }, EOPNOTSUPP, D::malformed_ekey},
      {[](Message& m) { m.encrypt_key = key(224), m.encrypt_key->reserved = 32; }, EINVAL, D::bad_ekeybits},
      {[](Message& m) { m.encrypt_key->reserved = 64; }, EINVAL, D::bad_ekeybits},
      {[](Message& m) { m.sa->auth = 5, m.auth_key = key(256); }, EINVAL, D::bad_aalg},
      {[](Message& m) { m.sa->state = pfkey::State::idle; }, EINVAL, D::bad_sastate},
      {[](Message& m) { m.ah_align = pfkey::Number{16}; }, EINVAL, D::none},
      {[](Message& m) { m.tfc_pad = pfkey::Number{9}; }, EINVAL, D::none},
      {[](Message& m) { m.bundle = pfkey::Number{9}; }, EOPNOTSUPP, D::none},
      {[](Message& m) { m.icv = pfkey::Number{128}; }, EINVAL, D::bad_aalg},
      {[](Message& m) {
         m.sa->encrypt = 12, m.encrypt_key = key(128), m.sa->auth = 5, m.auth_key = key(256);
         m.icv = pfkey::Number{160};
       },
       EINVAL, D::bad_aalg},
      {[](Message& m) { m.inner_src = m.inner_dst = m.src, m.src->port = 5; }, EOPNOTSUPP, D::none},
      {[](Message& m) { m.inner_src = m.inner_dst = m.src, m.dst->port = 5; }, EOPNOTSUPP, D::none},
      {[](Message& m) { m.replay_window = pfkey::ReplayWindow{4097, false}; }, EOPNOTSUPP, D::invalid_replay},
      {[](Message& m) { m.replay_window = pfkey::ReplayWindow{0, true}; }, EINVAL, D::invalid_replay},
      {[](Message& m) { m.soft = pfkey::Lifetime{0, 2, 0, 0}, m.hard = pfkey::Lifetime{0, 1, 0, 0}; }, EINVAL,
       D::bytes_hserr},
      {[](Message& m) {
         m.idle = pfkey::Lifetime{0, 0, 6, 0}, m.soft = pfkey::Lifetime{0, 0, 5, 0},
         m.hard = pfkey::Lifetime{0, 0, 9, 0};
       },
       EINVAL, D::addtime_hserr},
      {[](Message& m) { m.idle = pfkey::Lifetime{0, 0, 0, 9}, m.soft.emplace(), m.hard = pfkey::Lifetime{0, 0, 0, 8}; },
       EINVAL, D::usetime_hserr},
      {[](Message& m) { m.replay_value = pfkey::ReplayValue::of(1ull << 32); }, EOPNOTSUPP, D::invalid_replay},
      {[](Message& m) { m.sensitivity.emplace(); }, EINVAL, D::bad_label},
      {[](Message& m) {
         m.sa->encrypt = 2, m.encrypt_key = pfkey::Key{64, 0, Secret(8)};
         for (std::byte& b : m.encrypt_key->material.bytes()) b = std::byte{1};
       },
       EINVAL, D::weak_ekey},
  };
  EXPECT_FALSE(wrong_with(add(), false));
  for (const Row& row : rows) {
    Message m = add();
    row.spoil(m);
    const auto wrong = wrong_with(m, false);
    ASSERT_TRUE(wrong) << static_cast<int>(row.diagnostic);
    EXPECT_EQ(wrong->error, row.error);
    EXPECT_EQ(wrong->diagnostic, row.diagnostic);
  }
}

TEST(XfrmRules, AnUpdateThatTheKernelCannotMakeIsRefused) {
  struct Row {
    void (*ask)(Message&);
    std::uint8_t error;
    std::string_view text;
  };
  const Row rows[] = {
      {[](Message& m) { m.sa->state = pfkey::State::active_elsewhere; }, EINVAL,
       "the kernel's SAs are mature from the start"},
      {[](Message& m) { m.sa->flags = pfkey::kFlagInbound; }, EINVAL, ""},
      {[](Message& m) { m.sa->flags = pfkey::kFlagTunnel; }, EINVAL, ""},
      {[](Message& m) { m.sa->flags = pfkey::kFlagUnique; }, EINVAL, ""},
      {[](Message& m) { m.reqid = pfkey::Number{8}; }, EOPNOTSUPP, "`reqid` cannot be changed after the SA was added"},
      {[](Message& m) { m.if_id = pfkey::Number{1}; }, EOPNOTSUPP, "`if_id` cannot be changed after the SA was added"},
      {[](Message& m) { m.ah_align = pfkey::Number{8}; }, EOPNOTSUPP,
       "`align8` cannot be changed after the SA was added"},
      {[](Message& m) { m.icv = pfkey::Number{64}; }, EOPNOTSUPP, "`icv` cannot be changed after the SA was added"},
      {[](Message& m) { m.tfc_pad = pfkey::Number{64}; }, EOPNOTSUPP,
       "`tfcpad` cannot be changed after the SA was added"},
      {[](Message& m) { m.output_mark = pfkey::Mark{1, 1}; }, EOPNOTSUPP,
       "`output-mark` cannot be changed after the SA was added"},
      {[](Message& m) { m.device = pfkey::Device{"eth3"}; }, EOPNOTSUPP,
       "`dev` cannot be changed after the SA was added"},
      {[](Message& m) { m.df = pfkey::Number{pfkey::kDfClear}; }, EOPNOTSUPP,
       "`df` cannot be changed after the SA was added"},
      {[](Message& m) { m.dscp = pfkey::Number{0}; }, EOPNOTSUPP, "`dscp` cannot be changed after the SA was added"},
      {[](Message& m) { m.keepalive = pfkey::Number{9}; }, EOPNOTSUPP,
       "`keepalive` cannot be changed after the SA was added"},
      {[](Message& m) { m.bundle = pfkey::Number{9}; }, EOPNOTSUPP,
       "`bundle` cannot be changed after the SA was added"},
      {[](Message& m) { m.sa->replay = 64; }, EOPNOTSUPP, "Linux cannot change the replay window of an SA"},
      {[](Message& m) { m.replay_window = pfkey::ReplayWindow{32, true}; }, EOPNOTSUPP,
       "Linux cannot change the replay window of an SA"},
      {[](Message& m) { m.offload = pfkey::Offload{pfkey::Offload::Mode::crypto, "eth3"}; }, EOPNOTSUPP,
       "`offload` cannot be changed after the SA was added"},
      {[](Message& m) { m.sensitivity.emplace(); }, EOPNOTSUPP, "Linux cannot change the label of an SA"},
      {[](Message& m) { m.natt_remote = endpoint("10.9.9.9", 17, 4501); }, EOPNOTSUPP,
       "Linux cannot change the NAT traversal of an SA"},
      {[](Message& m) { m.replay_value = pfkey::ReplayValue::of(99); }, EINVAL, ""},
      {[](Message& m) { m.replay_value = pfkey::ReplayValue::of(1ull << 32); }, EOPNOTSUPP,
       "without `esn` sequence numbers have 32 bits"},
  };
  Message had = add();
  had.reqid = pfkey::Number{7};
  had.sa->replay = 32;
  had.replay_value = pfkey::ReplayValue::of(100);
  const auto update = [] {
    Message m = add();
    m.type = pfkey::Type::update, m.encrypt_key.reset(), m.sa->encrypt = 0;
    return m;
  };
  Message same = update();
  same.reqid = pfkey::Number{7}, same.if_id = pfkey::Number{0}, same.sa->replay = 32;
  EXPECT_FALSE(unchangeable(update(), had));
  same.replay_value = pfkey::ReplayValue::of(100);
  EXPECT_FALSE(unchangeable(same, had));
  Message receiver = add();
  receiver.sa->flags = pfkey::kFlagInbound;
  Message value = update();
  value.replay_value = pfkey::ReplayValue::of(5);
  EXPECT_EQ(unchangeable(value, receiver)->diagnostic, pfkey::Diagnostic::invalid_replay);
  receiver.sa->replay = 1, value.sa->flags = pfkey::kFlagInbound;
  EXPECT_FALSE(unchangeable(value, receiver));
  for (const Row& row : rows) {
    Message m = update();
    row.ask(m);
    const auto wrong = unchangeable(m, had);
    ASSERT_TRUE(wrong) << row.text;
    EXPECT_EQ(wrong->error, row.error) << row.text;
    EXPECT_EQ(wrong->text, row.text);
  }
}

TEST(XfrmRules, ARefusalNamesItsCauseAndItsRemedy) {
  EXPECT_EQ(meaning(add(), ENOSYS, "Requested AEAD algorithm not found", true).text,
            "the kernel says: Requested AEAD algorithm not found; this kernel has no ESP: module esp4 is missing; "
            "`modprobe esp4`");
  EXPECT_EQ(
      meaning(add("2001:db8::1", "2001:db8::2"), EPROTONOSUPPORT, "Requested type not found").text,
      "the kernel says: Requested type not found; this kernel has no ESP: module esp6 is missing; `modprobe esp6`");
  EXPECT_EQ(meaning(add(), EPERM, "").text, "it needs CAP_NET_ADMIN in this network namespace: run it as root");
  EXPECT_EQ(meaning(add(), ESRCH, "").diagnostic, pfkey::Diagnostic::sa_notfound);
  Message card = add("2001:db8::1", "2001:db8::2");
  card.offload = pfkey::Offload{pfkey::Offload::Mode::packet, "eth3"};
  EXPECT_EQ(meaning(card, EINVAL, "Type doesn't support offload").text,
            "the kernel says: Type doesn't support offload; module esp6_offload is missing: `modprobe esp6_offload`");
  for (const auto& [error, words] :
       {std::pair(EINVAL, "Device doesn't support offload with ESN"),
        std::pair(ENODEV, "Device failed to offload this state"), std::pair(EOPNOTSUPP, "No offload here")})
    EXPECT_EQ(
        meaning(card, error, words).text,
        fmt::format("the kernel says: {}; the device cannot offload this kind of ESP: `ethtool -k eth3` shows whether "
                    "it supports offload (esp-hw-offload), `ethtool -K eth3 esp-hw-offload on` turns it on",
                    words));
}

}  // namespace
}  // namespace ipseckey::kernel::xfrm
