#include "engine/reply.h"

#include "engine/lifecycle.h"

namespace ipseckey::engine {
namespace {

using pfkey::Endpoint;
using pfkey::Key;
using pfkey::Message;

pfkey::Sa parameters(const Sa& sa) {
  return {
      .spi = sa.spi, .replay = sa.window, .state = sa.state, .auth = sa.auth, .encrypt = sa.encrypt, .flags = sa.flags};
}

pfkey::Lifetime current(const Sa& sa) {
  pfkey::Lifetime l;
  l.addtime = seconds_since_1970(sa.added);
  if (sa.use) {
    l.allocations = sa.use->allocations;
    l.bytes = sa.use->bytes;
    l.usetime = seconds_since_1970(sa.use->first);
  }
  return l;
}

void put_outer(Message& m, const Sa& sa) {
  m.src = Endpoint{.proto = sa.proto, .address = sa.src, .port = sa.src_port};
  m.dst = Endpoint{.proto = sa.proto, .address = sa.dst, .port = sa.dst_port};
}

void put_keys(Message& m, const Sa& sa) {
  if (!sa.keys) return;
  const auto bits = [](const Secret& s) { return static_cast<std::uint16_t>(s.size() * 8); };
  if (!sa.keys->auth.empty()) m.auth_key = Key{bits(sa.keys->auth), 0, sa.keys->auth.clone()};
  if (!sa.keys->encrypt.empty()) {
    const pfkey::Algorithm* const row = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, sa.encrypt);
    const std::uint16_t salt = row ? row->salt_bits : 0;
    m.encrypt_key = Key{static_cast<std::uint16_t>(bits(sa.keys->encrypt) - salt), salt, sa.keys->encrypt.clone()};
  }
  if (!sa.keys->iv.empty()) m.initial_iv = Key{bits(sa.keys->iv), 0, sa.keys->iv.clone()};
}

void put_limits(Message& m, const Limits& limits) {
  if (!limits.hard.empty()) m.hard = limits.hard;
  if (!limits.soft.empty()) m.soft = limits.soft;
  m.idle = limits.idle;
}

}  // namespace

Message describe(const Sa& sa, Sadb& sadb, const Message& header, WithKeys keys) {
  Message m;
  m.type = header.type, m.satype = sa.satype, m.seq = header.seq, m.pid = header.pid;
  m.sa = parameters(sa);
  m.current = current(sa);
  if (sa.limits) put_limits(m, *sa.limits);
  put_outer(m, sa);
  if (sa.rare) sa.rare->give(m);
  if (keys == WithKeys::yes) put_keys(m, sa);
  if (const Sa* const partner = sadb.partner(sa)) m.pair = pfkey::Pair{partner->spi};
  if (const std::uint64_t number = sequence_of(sa); number > UINT32_MAX) {
    m.replay_value = pfkey::ReplayValue{.low = 0, .wide = number};
  } else if (number != 0) {
    m.replay_value = pfkey::ReplayValue{.low = sa.replay_value};
  }
  return m;
}

Message expire_notice(const Sa& sa) {
  Message m;
  m.type = pfkey::Type::expire, m.satype = sa.satype;
  m.sa = parameters(sa);
  m.current = current(sa);
  if (sa.state == pfkey::State::dead) {
    m.hard = sa.limits ? sa.limits->hard : pfkey::Lifetime{};  // Not counted: it was deleted together with its partner.
  } else if (sa.state == pfkey::State::dying) {
    m.soft = sa.limits->soft;
  } else {
    m.idle = effective_idle(*sa.limits);
  }
  put_outer(m, sa);
  const Rare& rare = rare_of(sa);
  m.km_cookie = rare.manager();
  if (sa.flags & pfkey::kFlagTunnel)
    m.inner_src = rare.at<&Message::inner_src>(), m.inner_dst = rare.at<&Message::inner_dst>();
  return m;
}

Message mapping_notice(const Sa& sa, const pfkey::Endpoint& place) {
  Message m;
  m.type = pfkey::Type::x_nat_t_new_mapping, m.satype = sa.satype;
  m.sa = parameters(sa);
  put_outer(m, sa);
  m.natt_remote = place;
  return m;
}

Message error_reply(const Message& request, Refusal why) {
  Message m = request.header();
  if (static_cast<std::uint8_t>(m.type) > pfkey::kTypeMax) m.type = pfkey::Type::reserved;
  m.error = why.error;
  m.diagnostic = static_cast<std::uint16_t>(why.diagnostic);
  if (!why.remark.empty()) m.remark = pfkey::Remark{std::string(why.remark)};
  return m;
}

}  // namespace ipseckey::engine
