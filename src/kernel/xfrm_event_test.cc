// The kernel's notifications as PF_KEY messages; and every truncation of them.
#include <gmock/gmock.h>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/fake_kernel.h"

namespace ipseckey::kernel::xfrm {
namespace {

using pfkey::Message;
using pfkey::Type;
using testing::append;
using testing::Octets;

constexpr std::uint64_t kNow = 1'795'230'000;

Address address(std::string_view text) { return *parse_address(text); }

void attribute(Octets& out, std::uint16_t type, Bytes value) {
  append(out, nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type});
  out.insert(out.end(), value.begin(), value.end());
  while (out.size() % 4 != 0) out.push_back({});
}

xfrm_usersa_info info() {
  auto sa = zeroed<xfrm_usersa_info>();
  sa.family = AF_INET;
  sa.id.proto = IPPROTO_ESP, sa.id.spi = big_endian(0x2112u), sa.id.daddr = to_kernel(address("192.0.2.2"));
  sa.saddr = to_kernel(address("192.0.2.1"));
  sa.lft.soft_byte_limit = 1000, sa.lft.hard_byte_limit = 2000;
  sa.lft.soft_packet_limit = sa.lft.hard_packet_limit = XFRM_INF;
  sa.curlft.add_time = kNow - 10;
  return sa;
}

xfrm_usersa_id name() {
  auto id = zeroed<xfrm_usersa_id>();
  id.daddr = to_kernel(address("192.0.2.2"));
  id.spi = big_endian(0x2112u), id.family = AF_INET, id.proto = IPPROTO_ESP;
  return id;
}

struct Sample {
  const char* what;
  std::uint16_t type;
  std::size_t fixed;  // The octets without which it is not a message.
  Octets payload;
};

Octets of(const auto& object) {
  Octets out;
  append(out, object);
  return out;
}

Sample expire(bool hard) {
  auto e = zeroed<xfrm_user_expire>();
  e.state = info();
  e.hard = hard ? 1 : 0;
  return {hard ? "hard expire" : "soft expire", XFRM_MSG_EXPIRE, sizeof e, of(e)};
}

Sample acquire() {
  auto a = zeroed<xfrm_user_acquire>();
  a.id.proto = IPPROTO_ESP, a.id.daddr = to_kernel(address("192.0.2.2"));
  a.saddr = to_kernel(address("192.0.2.1"));
  a.sel.proto = IPPROTO_TCP, a.sel.sport = big_endian(std::uint16_t{1024}), a.sel.dport = big_endian(std::uint16_t{80});
  a.policy.sel.family = AF_INET;
  a.seq = 77;
  return {"acquire", XFRM_MSG_ACQUIRE, sizeof a, of(a)};
}

Sample mapping() {
  auto m = zeroed<xfrm_user_mapping>();
  m.id = name();
  m.old_saddr = to_kernel(address("192.0.2.1")), m.old_sport = big_endian(std::uint16_t{4500});
  m.new_saddr = to_kernel(address("198.51.100.9")), m.new_sport = big_endian(std::uint16_t{31000});
  return {"mapping", XFRM_MSG_MAPPING, sizeof m, of(m)};
}

Sample replay_event(bool wide) {
  auto id = zeroed<xfrm_aevent_id>();
  id.sa_id = name(), id.saddr = to_kernel(address("192.0.2.1"));
  id.reqid = 9, id.flags = XFRM_AE_CR;
  Octets out = of(id);
  if (wide) {
    auto state = zeroed<WideReplay>();
    state.bmp_len = 1, state.replay_window = 32, state.oseq = 5, state.oseq_hi = 1;
    Octets value = of(state);
    append(value, std::uint32_t{0});
    attribute(out, XFRMA_REPLAY_ESN_VAL, value);
  } else {
    auto state = zeroed<xfrm_replay_state>();
    state.oseq = 42;
    attribute(out, XFRMA_REPLAY_VAL, of(state));
  }
  auto used = zeroed<xfrm_lifetime_cur>();
  used.bytes = 4200, used.packets = 42, used.add_time = kNow - 10, used.use_time = kNow - 5;
  attribute(out, XFRMA_LTIME_VAL, of(used));
  return {wide ? "wide replay event" : "replay event", XFRM_MSG_NEWAE, sizeof id, out};
}

// The attributes of an SA, as in ADD and DELETE.
void attributes_of_sa(Octets& out) {
  auto mark = zeroed<xfrm_mark>();
  mark.v = 1, mark.m = 0xff;
  attribute(out, XFRMA_MARK, of(mark));
  Octets algorithm(72 + 20);
  std::memcpy(algorithm.data(), "rfc4106(gcm(aes))", 17);
  const std::uint32_t bits = 160, icv = 128;
  std::memcpy(algorithm.data() + 64, &bits, 4), std::memcpy(algorithm.data() + 68, &icv, 4);
  attribute(out, XFRMA_ALG_AEAD, algorithm);
}

Sample deletion() {
  Octets out = of(name());
  attribute(out, XFRMA_SA, of(info()));
  attributes_of_sa(out);  // Next to the SA's structure, not in it.
  return {"delete", XFRM_MSG_DELSA, sizeof(xfrm_usersa_id), out};
}

Sample addition(std::uint16_t type) {
  Octets out = of(info());
  attributes_of_sa(out);
  return {type == XFRM_MSG_NEWSA ? "add" : "update", type, sizeof(xfrm_usersa_info), out};
}

Sample flush(std::uint8_t proto) {
  auto f = zeroed<xfrm_usersa_flush>();
  f.proto = proto;
  return {"flush", XFRM_MSG_FLUSHSA, sizeof f, of(f)};
}

std::vector<Sample> samples() {
  return {addition(XFRM_MSG_NEWSA),
          addition(XFRM_MSG_UPDSA),
          deletion(),
          expire(false),
          expire(true),
          acquire(),
          mapping(),
          replay_event(false),
          replay_event(true),
          flush(IPPROTO_AH)};
}

std::optional<Message> heard(const Sample& s, std::size_t size) {
  return event_of({.type = s.type, .flags = 0, .seq = 5, .payload = Bytes(s.payload).first(size)}, {.now = kNow});
}
Message heard(const Sample& s) { return heard(s, s.payload.size()).value(); }

Message expected(Type type) {
  Message m;
  m.type = type;
  m.satype = pfkey::SaType::esp;
  m.seq = 5;
  m.sa = pfkey::Sa{.spi = 0x2112, .state = pfkey::State::mature};
  m.src = pfkey::Endpoint{.address = address("192.0.2.1")}, m.dst = pfkey::Endpoint{.address = address("192.0.2.2")};
  return m;
}

TEST(XfrmEvents, AddAndUpdateAreTheSaWithoutItsKeys) {
  for (const auto& [type, wire] : {std::pair(Type::add, XFRM_MSG_NEWSA), std::pair(Type::update, XFRM_MSG_UPDSA)}) {
    Message wanted = expected(type);
    wanted.sa->encrypt = 20, wanted.sa->flags = pfkey::kFlagEalg1 | pfkey::kFlagEalg2;
    wanted.mark = pfkey::Mark{1, 0xff};
    wanted.soft = pfkey::Lifetime{0, 1000, 0, 0}, wanted.hard = pfkey::Lifetime{0, 2000, 0, 0};
    wanted.current = pfkey::Lifetime{0, 0, kNow - 10, 0};
    EXPECT_EQ(heard(addition(static_cast<std::uint16_t>(wire))), wanted);
  }
}

TEST(XfrmEvents, DeleteDescribesTheSa) {
  Message wanted = heard(addition(XFRM_MSG_NEWSA));
  wanted.type = Type::del;
  wanted.sa->state = pfkey::State::dead;
  EXPECT_EQ(heard(deletion()), wanted);
}

TEST(XfrmEvents, ExpireNamesTheLimitThatHasPassed) {
  const Message soft = heard(expire(false)), hard = heard(expire(true));
  EXPECT_EQ(soft.type, Type::expire);
  EXPECT_EQ(soft.soft, (pfkey::Lifetime{0, 1000, 0, 0}));
  EXPECT_FALSE(soft.hard);
  EXPECT_EQ(soft.sa->state, pfkey::State::dying);
  EXPECT_EQ(hard.hard, (pfkey::Lifetime{0, 2000, 0, 0}));
  EXPECT_FALSE(hard.soft);
  EXPECT_EQ(hard.sa->state, pfkey::State::dead);
  EXPECT_EQ(hard.current, (pfkey::Lifetime{0, 0, kNow - 10, 0}));
}

TEST(XfrmEvents, AcquireDescribesTheTraffic) {
  Message wanted = expected(Type::acquire);
  wanted.sa.reset();
  wanted.seq = 77;
  wanted.src->proto = wanted.dst->proto = IPPROTO_TCP;
  wanted.src->port = 1024, wanted.dst->port = 80;
  EXPECT_EQ(heard(acquire()), wanted);
}

TEST(XfrmEvents, AMappingNamesTheNewPort) {
  Message wanted = expected(Type::x_nat_t_new_mapping);
  wanted.natt_remote = pfkey::Endpoint{pfkey::kProtoUdp, 0, address("198.51.100.9"), 31000};
  wanted.remark = pfkey::Remark{"the peer's NAT now uses port 31000 instead of 4500"};
  EXPECT_EQ(heard(mapping()), wanted);
}

TEST(XfrmEvents, AReplayEventReportsTheNumbers) {
  const Message m = heard(replay_event(false));
  EXPECT_EQ(m.type, Type::update);
  EXPECT_EQ(m.sa->state, pfkey::State::mature);
  EXPECT_EQ(m.replay_value, (pfkey::ReplayValue{42, 0}));
  EXPECT_EQ(m.current, (pfkey::Lifetime{42, 4200, kNow - 10, kNow - 5}));
  EXPECT_EQ(m.reqid, pfkey::Number{9});
  EXPECT_EQ(m.remark->text, "replay event: the sequence numbers have advanced");
  EXPECT_EQ(heard(replay_event(true)).replay_value, (pfkey::ReplayValue{0, 0x1'0000'0005}));
}

TEST(XfrmEvents, AFlushNamesItsType) {
  EXPECT_EQ(heard(flush(IPPROTO_AH)).satype, pfkey::SaType::ah);
  EXPECT_EQ(heard(flush(0)).satype, pfkey::SaType::unspec);
  EXPECT_FALSE(heard(flush(108), sizeof(xfrm_usersa_flush)));  // IPComp.
}

TEST(XfrmEvents, EveryTruncationIsReadSafely) {
  for (const Sample& s : samples())
    for (std::size_t size = 0; size < s.payload.size(); ++size) {
      const auto m = heard(s, size);
      EXPECT_EQ(m.has_value(), size >= s.fixed) << s.what << " " << size;
      EXPECT_FALSE(m && (m->auth_key || m->encrypt_key)) << s.what;
    }
}

TEST(XfrmEvents, OtherMessagesAreIgnored) {
  for (std::uint16_t type = 0; type < 64; ++type) {
    const bool known = type == XFRM_MSG_NEWSA || type == XFRM_MSG_UPDSA || type == XFRM_MSG_DELSA ||
                       type == XFRM_MSG_FLUSHSA || type == XFRM_MSG_EXPIRE || type == XFRM_MSG_ACQUIRE ||
                       type == XFRM_MSG_MAPPING || type == XFRM_MSG_NEWAE;
    const Octets zeros(1024);
    EXPECT_FALSE(!known && event_of({.type = type, .flags = 0, .seq = 0, .payload = zeros}, {})) << type;
  }
}

}  // namespace
}  // namespace ipseckey::kernel::xfrm
