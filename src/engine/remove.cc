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

bool of_type(const Sa& sa, const Message& m) { return m.satype == pfkey::SaType::unspec || sa.satype == m.satype; }

bool of_state(const Sa& sa, const Message& m) {
  return of_type(sa, m) && sa.state == m.sa->state && sends(sa) && same_address(m.src, sa.src) &&
         same_address(m.dst, sa.dst);
}

}  // namespace

// From the newest on: so the heap shrinks from its end while its memory is released, not all at once.
void Engine::State::remove_all(Message& m, bool with_partners, decltype(Removal::wanted) wanted) {
  removals.push_back({std::move(m), wanted, with_partners, sadb.walk_back()});
}

std::size_t Engine::removals() const { return state_->removals.size(); }

void Engine::remove_some(std::size_t most, Sink out) {
  if (state_->removals.empty()) return;
  State& state = *state_;
  State::Removal& removal = state.removals.front();
  for (; most > 0; --most) {
    Sa* const sa = state.sadb.step(*removal.cursor);
    if (!sa) {
      Message request = std::move(removal.request);
      state.removals.pop_front();
      return echo(request, out);
    }
    if (!removal.wanted(*sa, removal.request)) continue;
    Sa* const partner = removal.with_partners ? state.sadb.partner(*sa) : nullptr;
    state.erase(*sa);
    if (partner) state.erase(*partner);
  }
}

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
    remove_all(m, pair, matches);
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

Check Engine::State::remove_by_state(Message& m, Instant, Sink) {
  if (!m.src) return invalid(Diagnostic::missing_src);
  if (!m.sa) return invalid(Diagnostic::missing_sa);
  remove_all(m, true, of_state);
  return std::nullopt;
}

Check Engine::State::flush(Message& m, Instant, Sink) {
  if (!(m == m.header())) return invalid(Diagnostic::no_ext);
  acquires.flush(m.satype);
  remove_all(m, false, of_type);
  return std::nullopt;
}

}  // namespace ipseckey::engine
