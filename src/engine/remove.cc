#include <cerrno>

#include "engine/reply.h"
#include "engine/state.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;

bool same_address(const std::optional<pfkey::Endpoint>& wanted, const Address& has) {
  return !wanted || wanted->address == has;
}

bool same_identity(const Boxed<pfkey::Identity>& wanted, const Boxed<pfkey::Identity>& has) {
  return !wanted || (has && has->type == wanted->type && has->text == wanted->text);
}

template <class Number>
bool unset_or_same(Number a, Number b) {
  return a == 0 || b == 0 || a == b;
}

// A request without an SA extension.
bool matches(const Sa& sa, const Message& m) {
  const Rare& rare = rare_of(sa);
  if (sa.satype != m.satype || sa.is(pfkey::State::larval)) return false;
  if (!same_address(m.src, sa.src) || !same_address(m.dst, sa.dst)) return false;
  if (!same_identity(m.src_identity, rare.at<&Message::src_identity>()) ||
      !same_identity(m.dst_identity, rare.at<&Message::dst_identity>()))
    return false;
  return !m.km_cookie || (unset_or_same(m.km_cookie->proto, rare.manager().proto) &&
                          unset_or_same(m.km_cookie->cookie, rare.manager().cookie));
}

bool sends(const Sa& sa) { return !(sa.flags & pfkey::kFlagInbound) || (sa.flags & pfkey::kFlagOutbound); }

// Erases the SAs that the predicate selects, and their partners if it says so.
template <class State, class Wanted>
void erase_all(State& state, bool with_partners, Wanted wanted) {
  const auto walk = state.sadb.walk();
  while (Sa* const sa = state.sadb.step(*walk)) {
    if (!wanted(*sa)) continue;
    Sa* const partner = with_partners ? state.sadb.partner(*sa) : nullptr;
    state.erase(*sa);
    if (partner) state.erase(*partner);
  }
}

}  // namespace

void Engine::State::erase(Sa& sa) {
  Sa* const partner = sadb.partner(sa);
  sadb.unpair(sa);
  deadlines.forget(sa);
  if (options.keeper) options.keeper->forget(sa.id());
  if (partner) keep(*partner);
  if (options.carrier) options.carrier->remove(sa.id());
  sadb.erase(sa);
}

Check Engine::State::remove(Message& m, Instant, Sink out) {
  const bool pair = m.type == pfkey::Type::x_delpair;
  if (!m.sa) {
    if (!m.src && !m.dst) return invalid(Diagnostic::missing_sa);
    erase_all(*this, pair, [&](const Sa& sa) { return matches(sa, m); });
    echo(m, out);
    return std::nullopt;
  }
  if (!m.dst) return invalid(Diagnostic::missing_dst);
  Sa* const sa = named(m);
  if (!sa) return not_found(m, out);
  Sa* const partner = sadb.partner(*sa);
  if (pair && !partner) return Refusal{ESRCH, Diagnostic::pair_sa_notfound};
  // A program that replaces the SA continues from the number in the reply: no packet may come after it.
  if (options.carrier) options.carrier->halt(sa->id());
  Message reply = show(*sa, m, WithKeys::no);
  reply.sa->state = pfkey::State::dead;
  erase(*sa);
  if (pair) erase(*partner);
  out(Audience::everyone, std::move(reply));
  return std::nullopt;
}

Check Engine::State::remove_by_state(Message& m, Instant, Sink out) {
  if (!m.src) return invalid(Diagnostic::missing_src);
  if (!m.sa) return invalid(Diagnostic::missing_sa);
  erase_all(*this, true, [&](const Sa& sa) {
    return (m.satype == pfkey::SaType::unspec || sa.satype == m.satype) && sa.state == m.sa->state && sends(sa) &&
           same_address(m.src, sa.src) && same_address(m.dst, sa.dst);
  });
  echo(m, out);
  return std::nullopt;
}

Check Engine::State::flush(Message& m, Instant, Sink out) {
  if (!(m == m.header())) return invalid(Diagnostic::no_ext);
  erase_all(*this, false, [&](const Sa& sa) { return m.satype == pfkey::SaType::unspec || sa.satype == m.satype; });
  acquires.flush(m.satype);
  echo(m, out);
  return std::nullopt;
}

}  // namespace ipseckey::engine
