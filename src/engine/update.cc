// How an SA is changed:
// 1. A larval SA goes to add(), which completes it.
// 2. refresh() reads what packets have done; if they have used the SA up, it ends here and the request is refused.
// 3. check_update() checks for forbidden changes and for numbers that go backwards; nothing has changed yet.
// 4. X_UPDATEPAIR applies limits and the key manager to both halves; each half has its own window, numbers and kept
//    extensions.
// 5. A new partner is joined, deadlines are set again, carrier and keeper are notified.
// 6. A limit that packets reached in the meantime still ends the SA.
#include <algorithm>
#include <cerrno>

#include "engine/state.h"
#include "pfkey/limits.h"
#include "pfkey/refusals.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::Part;
using pfkey::State;

Check check_state(const Sa& sa, const Sa* partner, State asked) {
  const bool wakes = asked == State::active;
  if (!wakes && asked != State::mature && asked != State::active_elsewhere) return invalid(Diagnostic::bad_sastate);
  if (wakes && (!sa.is(State::idle) || (partner && !partner->is(State::idle)))) return invalid(Diagnostic::bad_sastate);
  return std::nullopt;
}

Check check_manager(const Sa& sa, const Message& m) {
  constexpr std::uint32_t kIkev2 = 3;
  if (!m.km_cookie) return std::nullopt;
  const pfkey::KmCookie ours = rare_of(sa).manager();
  const pfkey::KmCookie& theirs = *m.km_cookie;
  if (ours.proto != 0 && theirs.proto != 0 && ours.proto != theirs.proto) return invalid(Diagnostic::duplicate_kmp);
  if (ours.cookie != 0 && theirs.cookie != 0 && ours.cookie != theirs.cookie && theirs.proto != kIkev2)
    return invalid(Diagnostic::duplicate_kmc);
  return std::nullopt;
}

// Numbers that were sent must not be sent again, and numbers that were seen must not be accepted again.
Check check_replay(const Sa& sa, const Message& m) {
  if (m.extended() && !extended_numbers(sa))
    return Refusal{EINVAL, Diagnostic::invalid_replay,
                   "64-bit sequence numbers (ESN) can be chosen only when the SA is added"};
  using enum pfkey::AlgorithmKind;
  const pfkey::Asked asked{.m = m,
                           .sadb = {},
                           .auth = pfkey::find_algorithm(auth, sa.auth),
                           .encrypt = pfkey::find_algorithm(encrypt, sa.encrypt),
                           .extended = extended_numbers(sa)};
  if (auto wrong = check<Part::numbers>(asked)) return wrong;
  if (auto wrong = check<Part::strength>(asked)) return wrong;
  if (!m.replay_value) return std::nullopt;
  const bool only_receives = (sa.flags & Sa::kBothWays) == pfkey::kFlagInbound;
  if ((only_receives && sa.window == 0 && m.window() == 0) || m.replay_value->number() < sequence_of(sa))
    return invalid(Diagnostic::invalid_replay);
  return std::nullopt;
}

// The SA's value, or the default.
template <class Row>
typename Row::Value has(const Sa& sa) {
  const auto& said = rare_of(sa).at<Row::kMember>();
  if constexpr (Row::kRow.kept->unsaid != nullptr)
    if (!said) return pfkey::Number{Row::kRow.kept->unsaid(sa.auth)};
  return said;
}

// An SA never changes what determines the form of its packets.
Check check_kept(const Message& m, const Sa& sa) {
  Check wrong;
  Rare::for_each_row([&]<class Row>(Row) {
    if constexpr (Row::kRow.kept->on_update == pfkey::OnUpdate::refused)
      if (!wrong && m.*Row::kMember && m.*Row::kMember != has<Row>(sa))
        wrong = Refusal{EINVAL, Diagnostic::none, pfkey::stays_as_added(Row::kRow)};
  });
  return wrong;
}

Check check_update(const Message& m, const Sa& sa, const Sa* partner, const Options& options) {
  if (m.auth_key) return invalid(Diagnostic::akey_present);
  if (m.encrypt_key) return invalid(Diagnostic::ekey_present);
  if (auto wrong = check_state(sa, partner, m.sa->state)) return wrong;
  if ((m.sa->flags & ~pfkey::settable_flags(m.satype, true)) != 0) return invalid(Diagnostic::bad_saflags);
  if (auto wrong = check_kept(m, sa)) return wrong;
  if (m.current) return Refusal{EOPNOTSUPP, Diagnostic::missing_lifetime};
  if (auto wrong = check<Part::lifetimes>(m, options)) return wrong;
  if (auto wrong = check<Part::labels>(m, options)) return wrong;
  if (auto wrong = check_manager(sa, m)) return wrong;
  if (partner)
    if (auto wrong = check_manager(*partner, m)) return wrong;
  return check_replay(sa, m);
}

void apply_state(Sa& sa, State asked, Instant now) {
  if (!sa.is(State::idle)) return;
  if (asked == State::active_elsewhere) sa.state = State::active_elsewhere;
  if (asked == State::active) sa.state = State::mature;
  if (!sa.is(State::idle)) revalidate(sa, now);
}

void apply_limits(Sa& sa, const Message& m, Instant now) {
  if (!m.hard && !m.soft && !m.idle) return;
  Limits& limits = limits_of(sa);
  pfkey::replace_limits(limits.hard, m.hard);
  pfkey::replace_limits(limits.soft, m.soft);
  pfkey::cap_limits(limits.soft, limits.hard);
  if (m.idle && !m.idle->empty() && !limits.idle) limits.idle.emplace();
  if (limits.idle) {
    pfkey::replace_limits(*limits.idle, m.idle);
    pfkey::cap_limits(*limits.idle, limits.hard);
    pfkey::cap_limits(*limits.idle, limits.soft);
  }
  if (m.idle) revalidate(sa, now);
  if (!sa.is(State::dying)) return;
  sa.state = State::mature;
  if (due(sa, now) == Due::soft) sa.state = State::dying;
}

void apply_manager(Sa& sa, const Message& m) {
  if (!m.km_cookie || *m.km_cookie == pfkey::KmCookie{}) return;
  if (!sa.rare) sa.rare = std::make_unique<Rare>();
  pfkey::KmCookie manager = sa.rare->manager();
  if (m.km_cookie->proto != 0) manager.proto = m.km_cookie->proto;
  if (m.km_cookie->cookie != 0) manager.cookie = m.km_cookie->cookie;
  sa.rare->at<&Message::km_cookie>() = manager;
}

// Packets are protected with the numbers with which the SA began, so only the window's size changes.
void apply_window(Sa& sa, const Message& m) {
  const std::uint32_t window = m.window();
  if (window == 0) return;
  const bool esn = extended_numbers(sa);
  sa.window = static_cast<std::uint8_t>(std::min<std::uint32_t>(window, UINT8_MAX));
  if (sa.rare) sa.rare->at<&Message::replay_window>().reset();
  if (!esn && window <= UINT8_MAX) return;
  if (!sa.rare) sa.rare = std::make_unique<Rare>();
  sa.rare->at<&Message::replay_window>() = pfkey::ReplayWindow{window, esn};
}

// As pfkey::leave_out_unsaid() does for an ADD: default values of an SA are not reported.
void apply_kept(Sa& sa, const Message& m) {
  Rare::for_each_row([&]<class Row>(Row) {
    if constexpr (Row::kRow.kept->on_update == pfkey::OnUpdate::replaces) {
      const auto& asked = m.*Row::kMember;
      if (!asked) return;
      if constexpr (Row::kRow.kept->unsaid != nullptr) {
        if (asked->value == Row::kRow.kept->unsaid(sa.auth)) {
          if (sa.rare) sa.rare->at<Row::kMember>().reset();
          return;
        }
      }
      if (!sa.rare) sa.rare = std::make_unique<Rare>();
      sa.rare->at<Row::kMember>() = asked;
    }
  });
}

}  // namespace

Check Engine::State::update(Message& m, Instant now, Sink out) {
  const bool both = m.type == pfkey::Type::x_updatepair;
  if (!m.dst) return invalid(Diagnostic::missing_dst);
  if (!m.src) return invalid(Diagnostic::missing_src);
  if (!m.sa) return invalid(Diagnostic::missing_sa);
  Sa* const sa = named(m);
  if (!sa) return not_found(m, out);
  if (sa->is(pfkey::State::larval) && !both) return add(m, now, out);
  Sa* const partner = sadb.partner(*sa);
  if (both && !partner) return Refusal{ESRCH, Diagnostic::pair_sa_notfound};
  if (auto ended = end_if_used_up(*sa, partner, out)) return ended;
  refresh(*sa);
  if (partner) refresh(*partner);
  if (auto wrong = check_update(m, *sa, partner, options)) return wrong;

  Sa* joined = nullptr;
  if (m.pair) {
    if (serves_both(sa->flags, sa->src, sa->dst)) return Refusal{EINVAL, Diagnostic::pair_inappropriate, kServesBoth};
    if (sa->is(pfkey::State::dying)) return Refusal{EINVAL, Diagnostic::pair_inappropriate, "the SA is not mature"};
    const auto found = find_partner(sadb.id_of(*sa), sa->src, sa->flags, m.pair->spi);
    if (!found) return found.error();
    if (partner && *found != partner) return invalid(Diagnostic::pair_already);
    joined = *found;
  }
  apply_state(*sa, m.sa->state, now);
  if (partner) apply_state(*partner, m.sa->state, now);
  for (Sa* const half : {sa, both ? partner : nullptr}) {
    if (!half) continue;
    apply_limits(*half, m, now);
    apply_manager(*half, m);
  }
  apply_window(*sa, m);
  apply_kept(*sa, m);
  if (m.replay_value) set_sequence(*sa, m.replay_value->number());
  if (joined) join(*sa, *joined);
  deadlines.schedule(*sa, now);
  if (partner) deadlines.schedule(*partner, now);
  publish(*sa);
  if (partner) publish(*partner);
  if (joined && joined != partner) publish(*joined);
  // Packets may have reached the old limit before the new one took effect.
  if (auto ended = end_if_used_up(*sa, sadb.partner(*sa), out)) return ended;
  echo(m, out);
  return std::nullopt;
}

}  // namespace ipseckey::engine
