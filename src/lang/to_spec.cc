#include "lang/to_spec.h"

#include <algorithm>

#include "pfkey/icmp.h"

namespace lang {
namespace {

template <class T, class V>
std::optional<T> unless_zero(V v) {
  return v == 0 ? std::nullopt : std::optional(T{v});
}

Host literal(const Address& a) { return {.literal = a, .name = {}}; }

void limits_to_spec(const pfkey::Message& m, SaSpec& s) {
  if (m.hard) {
    s.hard_bytes = unless_zero<Count>(m.hard->bytes), s.hard_addtime = unless_zero<Count>(m.hard->addtime);
    s.hard_usetime = unless_zero<Count>(m.hard->usetime), s.hard_alloc = unless_zero<Count32>(m.hard->allocations);
  }
  if (m.soft) {
    s.soft_bytes = unless_zero<Count>(m.soft->bytes), s.soft_addtime = unless_zero<Count>(m.soft->addtime);
    s.soft_usetime = unless_zero<Count>(m.soft->usetime), s.soft_alloc = unless_zero<Count32>(m.soft->allocations);
  }
  if (m.idle)
    s.idle_addtime = unless_zero<Count>(m.idle->addtime), s.idle_usetime = unless_zero<Count>(m.idle->usetime);
}

// A reply counts key and salt apart and brings the explicit IV by itself; the language has them in one string.
KeyValue joined_key(pfkey::Key&& key, const std::optional<pfkey::Key>& iv) {
  const auto bits = static_cast<std::uint16_t>(key.bits + key.reserved + (iv ? iv->bits : 0));
  if (!iv) return {std::move(key.material), bits};
  KeyValue whole{Secret(key.material.size() + iv->material.size()), bits};
  std::ranges::copy(key.material.bytes(), whole.material.bytes().begin());
  std::ranges::copy(iv->material.bytes(), whole.material.bytes().subspan(key.material.size()).begin());
  return whole;
}

void algorithms_to_spec(pfkey::Message& m, SaSpec& s) {
  s.auth = unless_zero<AuthAlgorithm>(m.sa->auth);
  s.encrypt = unless_zero<EncryptAlgorithm>(m.sa->encrypt);
  if (m.auth_key) s.auth_key = joined_key(std::move(*m.auth_key), std::nullopt);
  if (m.initial_iv) s.reserved_bits = Bits{m.initial_iv->bits};
  if (m.encrypt_key) s.encrypt_key = joined_key(std::move(*m.encrypt_key), m.initial_iv);
}

// What the ports of such traffic are: type and code, if it is ICMP's.
void ports_to_spec(std::uint8_t proto, std::uint16_t from, std::uint16_t to, std::optional<Port>& source,
                   std::optional<Port>& destination, SaSpec& s) {
  const auto icmp_number = [](std::uint16_t port) {
    const auto number = pfkey::icmp_of_port(port);
    return number ? std::optional(IcmpNumber{static_cast<std::uint8_t>(*number)}) : std::nullopt;
  };
  // A code without a type, which some other program has given, is left to the port words.
  const bool icmp = pfkey::is_icmp(proto) && from != 0 && from <= pfkey::kIcmpZero && to <= pfkey::kIcmpZero;
  if (icmp) {
    s.icmp_type = icmp_number(from), s.icmp_code = icmp_number(to);
  } else {
    source = unless_zero<Port>(from), destination = unless_zero<Port>(to);
  }
}

Network network(const pfkey::Endpoint& e) { return {literal(e.address), e.prefix}; }

void traffic_to_spec(const pfkey::Message& m, SaSpec& s) {
  if (m.src && !is_unspecified(m.src->address)) s.src = literal(m.src->address);
  if (m.dst) s.dst = literal(m.dst->address);
  ports_to_spec(m.dst ? m.dst->proto : std::uint8_t{0}, m.src ? m.src->port : std::uint16_t{0},
                m.dst ? m.dst->port : std::uint16_t{0}, s.sport, s.dport, s);
  if (m.dst) s.proto = unless_zero<Protocol>(m.dst->proto);
  if (!m.inner_src || !m.inner_dst) return;
  s.inner_src = network(*m.inner_src), s.inner_dst = network(*m.inner_dst);
  ports_to_spec(m.inner_src->proto, m.inner_src->port, m.inner_dst->port, s.inner_sport, s.inner_dport, s);
  s.inner_proto = unless_zero<Protocol>(m.inner_src->proto);
}

void natt_to_spec(const pfkey::Message& m, SaSpec& s) {
  if (!m.natt_local && !m.natt_remote) return;
  s.encap = Encapsulation::udp;
  // One of the two words must stand, or `encap udp` alone would be refused: the port, even if it is 0.
  if (m.natt_local && !is_unspecified(m.natt_local->address)) s.nat_local = literal(m.natt_local->address);
  if (m.natt_local && (m.natt_local->port != 0 || !s.nat_local)) s.nat_local_port = Port{m.natt_local->port};
  if (m.natt_remote && !is_unspecified(m.natt_remote->address)) s.nat_remote = literal(m.natt_remote->address);
  if (m.natt_remote && (m.natt_remote->port != 0 || !s.nat_remote)) s.nat_remote_port = Port{m.natt_remote->port};
}

std::uint32_t window_of(const pfkey::Message& m) {
  return m.replay_window ? m.replay_window->window : std::uint32_t{m.sa->replay};
}

// Numbers that were sent must not be sent again, and packets go on while the file lies there: an SA that has sent goes
// on a good way ahead, once. Loaded, it is unused, so that a save of it says the same. One that receives, too, has one
// number for both: ahead of it, its replay window would let in nothing of the peer's.
std::uint64_t resumed(const pfkey::Message& m) {
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  const std::uint64_t number = m.replay_value->number();
  const std::uint32_t way = m.sa->flags & (kIn | kOut);  // None: both.
  const bool checks = way != kOut && window_of(m) != 0;
  if (way == kIn || checks || !(m.sa->flags & pfkey::kFlagUsed)) return number;
  const std::uint64_t last = m.replay_window && m.replay_window->esn ? UINT64_MAX : UINT32_MAX;
  return last - number < kSaveMargin ? last : number + kSaveMargin;
}

Label label_of(const pfkey::Sensitivity& s) { return {s.level, s.bitmap}; }

}  // namespace

SaSpec to_spec(pfkey::Message&& m) {
  SaSpec s;
  if (!m.sa) return s;
  s.spi = Spi{m.sa->spi};
  if (m.pair) s.pair_spi = unless_zero<Spi>(m.pair->spi);
  if (m.sa->flags & pfkey::kFlagInbound) s.inbound = Flag{};
  if (m.sa->flags & pfkey::kFlagOutbound) s.outbound = Flag{};
  s.replay = unless_zero<Window>(window_of(m));
  if (m.replay_window && m.replay_window->esn) s.esn = Flag{};
  if (m.reqid) s.reqid = Count32{m.reqid->value};
  if (m.if_id) s.if_id = Count32{m.if_id->value};
  if (m.ah_align && m.ah_align->value == 8) s.align8 = Flag{};
  s.mark = m.mark;
  if (m.offload) s.offload = *m.offload;
  if (m.replay_value) s.replay_value = unless_zero<Count>(resumed(m));
  if (m.sa->state == pfkey::State::active_elsewhere) s.state = m.sa->state;
  algorithms_to_spec(m, s);
  limits_to_spec(m, s);
  traffic_to_spec(m, s);
  natt_to_spec(m, s);
  if (m.src_identity) s.src_identity = Identity{m.src_identity->type, m.src_identity->text};
  if (m.dst_identity) s.dst_identity = Identity{m.dst_identity->type, m.dst_identity->text};
  if (m.sensitivity) s.label = label_of(*m.sensitivity);
  if (m.outer_sensitivity)
    (m.outer_sensitivity->flags & pfkey::kSensImplicit ? s.implicit_label : s.outer_label) =
        label_of(*m.outer_sensitivity);
  return s;
}

}  // namespace lang
