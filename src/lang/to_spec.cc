#include "lang/to_spec.h"

#include <algorithm>

#include "lang/keywords.h"
#include "pfkey/icmp.h"

namespace ipseckey::lang {
namespace {

template <class T, class V>
std::optional<T> unless_zero(V v) {
  return v == 0 ? std::nullopt : std::optional(T{v});
}

Host literal(const Address& a) { return {.literal = a, .name = {}}; }

// A reply counts key and salt separately and has the explicit IV apart; the language has them in one string.
KeyValue joined_key(pfkey::Key&& key, const std::optional<pfkey::Key>& iv) {
  const auto bits = static_cast<std::uint16_t>(key.bits + key.reserved + (iv ? iv->bits : 0));
  if (!iv) return {std::move(key.material), bits};
  KeyValue whole{Secret(key.material.size() + iv->material.size()), bits};
  std::ranges::copy(key.material.bytes(), whole.material.bytes().begin());
  std::ranges::copy(iv->material.bytes(), whole.material.bytes().subspan(key.material.size()).begin());
  return whole;
}

void keys_to_spec(pfkey::Message& m, SaSpec& s) {
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
  // A code without a type, which some other program has set, is expressed with the port keywords.
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
  // One of the two words must be given, or `encap udp` would be refused: the port, even if it is 0.
  if (m.natt_local && !is_unspecified(m.natt_local->address)) s.nat_local = literal(m.natt_local->address);
  if (m.natt_local && (m.natt_local->port != 0 || !s.nat_local)) s.nat_local_port = Port{m.natt_local->port};
  if (m.natt_remote && !is_unspecified(m.natt_remote->address)) s.nat_remote = literal(m.natt_remote->address);
  if (m.natt_remote && (m.natt_remote->port != 0 || !s.nat_remote)) s.nat_remote_port = Port{m.natt_remote->port};
}

}  // namespace

SaSpec to_spec(pfkey::Message&& m) {
  SaSpec s;
  if (!m.sa) return s;
  take_joined(m, s);
  keys_to_spec(m, s);
  traffic_to_spec(m, s);
  natt_to_spec(m, s);
  return s;
}

}  // namespace ipseckey::lang
