// Pairs, and UPDATE: the parts of an SA that Linux does not store are in the side table, which must agree with the
// kernel.
// 1. keep() writes that row after a success; join() adds it to an SA that the kernel describes, if it is about this
//    very SA.
// 2. check_pair() checks whether two SAs may be a pair; add_pair() adds one as such, and removes it again if writing
//    the row fails.
// 3. update() completes a larval SA (complete()), or changes an existing one and, for X_UPDATEPAIR, its partner
//    (change_both()).
// 4. change() returns the kernel's own form of the SA with other limits or numbers, then merges the row.
// 5. delete_pair() deletes both halves in one batch, then their rows.
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>

#include "kernel/detail/xfrm_add.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/detail/xfrm_parts.h"
#include "kernel/xfrm.h"
#include "pfkey/limits.h"
#include "pfkey/notices.h"

namespace ipseckey::kernel {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::Type;
using xfrm::kWays;
using xfrm::Refusal;

// After a success: stores what the kernel does not, and removes the row of an earlier SA of that name.
void Xfrm::keep(const Message& request, std::string& remark) {
  Result<void> kept;
  SideRow beside = request.type == Type::del ? SideRow() : side_row_of(request);
  if (beside.empty()) {
    if (side_table_.there()) kept = side_table_.begin();
    if (kept && side_table_.there()) kept = side_table_.erase(backend::name_of(request));
  } else {
    beside.added = now_;
    kept = side_table_.begin();
    if (kept) kept = side_table_.put(backend::name_of(request), beside);
  }
  if (!kept && !beside.empty())
    xfrm::append(remark,
                 "done, but its pair, identities, direction and idle limits could not be stored: " + kept.error().text);
}

// Adds the stored row, if it is about this very SA and its partner exists, and the direction that the addresses imply
// if none was requested.
Result<void> Xfrm::join(Message& sa) {
  const auto row = side_table_.find(backend::name_of(sa));
  if (!row) return std::unexpected(row.error());
  if (!*row || !xfrm::same_sa(sa, **row)) {
    direct(sa);
    return {};
  }
  SideRow beside = **row;
  if (beside.pair != 0) {
    const auto partner = look(xfrm::partner_of(sa, beside.pair));
    if (!partner) return std::unexpected(partner.error());
    const bool mutual = partner->found && [&] {
      const Message& other = partner->found->sa;
      const auto theirs = side_table_.find(backend::name_of(other));
      return theirs && *theirs && (*theirs)->pair == sa.sa->spi && xfrm::same_sa(other, **theirs);
    }();
    if (!mutual) beside.pair = 0;
  }
  add_side_row(sa, beside);
  direct(sa);
  return {};
}

// Reports what `save` would write and a load would refuse.
void Xfrm::doubt(Message& sa) const {
  if (sa.remark || world_.keys_hidden || sa.sa->state == pfkey::State::larval) return;
  if (const std::string why = xfrm::not_addable(sa, world_.labels); !why.empty()) sa.remark = pfkey::Remark{why};
}

void Xfrm::direct(Message& sa) const {
  if ((sa.sa->flags & kWays) != 0) return;
  if (const std::uint32_t way = xfrm::way_by_addresses(sa, world_)) xfrm::set_way(sa, way);
}

// If it was requested to serve both directions although the addresses imply one, an SA cannot be half of a pair.
bool Xfrm::serves_both(const Message& sa) const {
  return (sa.sa->flags & kWays) == kWays && (!world_.is_local || xfrm::way_by_addresses(sa, world_) != 0);
}

// A pair joins two SAs between the same addresses, in opposite directions, neither of which has another partner: the
// direction of one half, requested or implied by the addresses, gives the other's. On return m has its own, if known.
Result<Xfrm::Check> Xfrm::check_pair(Message& m) {
  const auto inappropriate = [](std::string_view why) {
    return Check(Refusal{EINVAL, Diagnostic::pair_inappropriate, std::string(why)});
  };
  if (serves_both(m)) return inappropriate(pfkey::kServesBoth);
  if (m.pair->spi == 0 || m.pair->spi == m.sa->spi) return inappropriate(pfkey::kOwnPair);
  if (!m.src) return inappropriate(pfkey::kNoPartner);
  auto partner = look(xfrm::partner_of(m, m.pair->spi));
  if (!partner) return std::unexpected(partner.error());
  if (partner->refusal) return partner->refusal;
  if (!partner->found) {
    Message parallel = xfrm::partner_of(m, m.pair->spi);
    parallel.dst = m.dst;
    const auto same_way = look(parallel);
    return inappropriate(same_way && same_way->found ? pfkey::kSameWayRound : pfkey::kNoPartner);
  }
  Message& theirs = partner->found->sa;
  if (theirs.src->address != m.dst->address) return inappropriate(pfkey::kOtherSource);
  if (auto joined = join(theirs); !joined) return std::unexpected(joined.error());
  if (theirs.sa->state != pfkey::State::mature) return inappropriate(pfkey::kPartnerNotMature);
  if (serves_both(theirs)) return inappropriate(pfkey::kServesBoth);
  const std::uint32_t asked = m.sa->flags & kWays;
  const std::uint32_t way = asked ? asked : xfrm::way_by_addresses(m, world_), other = theirs.sa->flags & kWays;
  if (xfrm::one_way(way) && way == other) return inappropriate(pfkey::kSameDirection);
  if (theirs.pair && theirs.pair->spi != m.sa->spi) return Check(Refusal{EINVAL, Diagnostic::pair_already});
  m.sa->flags = (m.sa->flags & ~kWays) | (xfrm::one_way(way) ? way : xfrm::opposite_way(other));
  return Check();
}

// Writes into the row of m's partner, which exists, its new partner and its direction.
Result<Xfrm::Check> Xfrm::set_pair(const Message& m) {
  const Message name = xfrm::partner_of(m, m.pair->spi);
  auto looked = look(name);
  if (!looked) return std::unexpected(looked.error());
  if (!looked->found) return Check(Refusal{EINVAL, Diagnostic::pair_inappropriate});
  Message& sa = looked->found->sa;
  if (auto joined = join(sa); !joined) return std::unexpected(joined.error());
  sa.pair = pfkey::Pair{m.sa->spi};
  if (!xfrm::one_way(sa.sa->flags)) sa.sa->flags = (sa.sa->flags & ~kWays) | xfrm::opposite_way(m.sa->flags);
  SideRow beside = side_row_of(sa);
  beside.added = sa.current->addtime;
  if (auto put = side_table_.put(backend::name_of(sa), beside); !put) return std::unexpected(put.error());
  return Check();
}

// An SA that cannot be paired is not added; if that becomes apparent only later, it is removed again.
Result<Xfrm::Check> Xfrm::add_pair(Message& m, const Answer& reply) {
  if (auto wrong = xfrm::wrong_with(m, world_.labels)) return wrong;
  if (auto begun = side_table_.begin(); !begun) return Check(Refusal{EIO, Diagnostic::none, begun.error().text});
  auto wrong = check_pair(m);
  if (!wrong || *wrong) return wrong;
  std::string remark;
  if (auto refused = plan_add(m, XFRM_MSG_NEWSA, remark)) return refused;
  auto refused = ask(m, batch_);
  if (!refused || *refused) return refused;
  SideRow beside = side_row_of(m);
  beside.added = now_;
  const auto kept = side_table_.put(backend::name_of(m), beside);
  auto paired = kept ? set_pair(m) : Result<Check>(Check());
  if (kept && paired && !*paired) {
    reply(xfrm::echo(std::move(m), remark));
    return Check();
  }
  xfrm::put_name(m, XFRM_MSG_DELSA, batch_);
  if (auto taken_back = ask(m, batch_); !taken_back) return taken_back;
  if (!kept) return Check(Refusal{EIO, Diagnostic::none, kept.error().text});
  return paired;
}

// Changes limits, the replay value and the stored row of one existing SA.
Result<Xfrm::Check> Xfrm::change(const Message& m, const Fetched& sa) {
  const Bytes payload = sa.payload.bytes().first(sa.size);
  NetlinkBatch batch;
  pfkey::Lifetime soft = sa.sa.soft.value_or(pfkey::Lifetime{}), hard = sa.sa.hard.value_or(pfkey::Lifetime{});
  pfkey::replace_limits(hard, m.hard);
  pfkey::replace_limits(soft, m.soft);
  pfkey::cap_limits(soft, hard);
  if (m.soft || m.hard) xfrm::put_limits(payload, soft, hard, batch);
  if (m.replay_value) xfrm::put_replay(payload, m.replay_value->number(), sa.sa.sa->flags, batch);
  if (batch.count() > 0) {
    auto refused = ask(m, batch);
    if (!refused || *refused) return refused;
  }
  std::optional<pfkey::Lifetime> idle = sa.sa.idle;
  if (m.idle && !m.idle->empty() && !idle) idle.emplace();
  if (idle) {
    pfkey::replace_limits(*idle, m.idle);
    pfkey::cap_limits(*idle, hard);
    pfkey::cap_limits(*idle, soft);
  }
  if (idle == sa.sa.idle && !m.pair && !m.src_identity && !m.dst_identity) return Check();
  Message merged = sa.sa.clone();
  merged.idle = idle;
  if (m.pair) merged.pair = m.pair;
  if (m.src_identity) merged.src_identity = m.src_identity;
  if (m.dst_identity) merged.dst_identity = m.dst_identity;
  SideRow beside = side_row_of(merged);
  beside.added = sa.sa.current->addtime;
  auto kept = side_table_.begin();
  if (kept) kept = side_table_.put(backend::name_of(sa.sa), beside);
  if (!kept) return std::unexpected(kept.error());
  return Check();
}

// UPDATE of a larval SA: completes it.
Result<Xfrm::Check> Xfrm::complete(Message& m, std::string& remark) {
  if (auto refused = plan_add(m, XFRM_MSG_UPDSA, remark)) return refused;
  auto refused = ask(m, batch_);
  if (refused && !*refused) keep(m, remark);
  return refused;
}

// UPDATE of a complete SA and, for X_UPDATEPAIR, of its partner.
Result<Xfrm::Check> Xfrm::change_both(Message& m, Fetched&& sa) {
  if (m.encrypt_key) return Check(Refusal{EINVAL, Diagnostic::ekey_present});
  if (m.auth_key) return Check(Refusal{EINVAL, Diagnostic::akey_present});
  if (auto joined = join(sa.sa); !joined) return std::unexpected(joined.error());
  if (auto wrong = xfrm::unchangeable(m, sa.sa)) return wrong;
  std::optional<Fetched> half;
  if (m.type == Type::x_updatepair) {
    if (!sa.sa.pair) return Check(Refusal{ESRCH, Diagnostic::pair_sa_notfound});
    auto partner = look(xfrm::partner_of(sa.sa, sa.sa.pair->spi));
    if (!partner) return std::unexpected(partner.error());
    if (!partner->found) return Check(Refusal{ESRCH, Diagnostic::pair_sa_notfound});
    if (auto joined = join(partner->found->sa); !joined) return std::unexpected(joined.error());
    half = std::move(*partner->found);
  }
  if (m.pair) {
    if (sa.sa.pair && sa.sa.pair->spi != m.pair->spi) return Check(Refusal{EINVAL, Diagnostic::pair_already});
    if (!m.src || is_unspecified(m.src->address)) m.src = sa.sa.src;
    m.sa->flags |= sa.sa.sa->flags & kWays;
    auto wrong = check_pair(m);
    if (!wrong || *wrong) return wrong;
    if (auto begun = side_table_.begin(); !begun) return std::unexpected(begun.error());
    auto refused = set_pair(m);
    if (!refused || *refused) return refused;
    sa.sa.sa->flags = (sa.sa.sa->flags & ~kWays) | (m.sa->flags & kWays);
  }
  if (half) {  // Each half has its own numbers and identities.
    Message limits = m.clone();
    limits.replay_value.reset(), limits.pair.reset(), limits.src_identity.reset(), limits.dst_identity.reset();
    if (auto refused = change(limits, *half); !refused || *refused) return refused;
  }
  return change(m, sa);
}

Result<Xfrm::Check> Xfrm::update(Message& m, const Answer& reply) {
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  auto sa = look_for(m);
  if (!sa) return std::unexpected(sa.error());
  if (sa->refusal) return sa->refusal;
  std::string remark;
  const bool larval = sa->found->sa.sa->state == pfkey::State::larval && m.type == Type::update;
  if (!larval && m.idle) xfrm::append(remark, xfrm::kIdleNotEnforced);
  auto refused = larval ? complete(m, remark) : change_both(m, std::move(*sa->found));
  if (!refused || *refused) return refused;
  reply(xfrm::echo(std::move(m), remark));
  return Check();
}

Result<Xfrm::Check> Xfrm::delete_pair(Message& m, const Answer& reply) {
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  auto looked = look_for(m);
  if (!looked) return std::unexpected(looked.error());
  if (looked->refusal) return looked->refusal;
  Message& sa = looked->found->sa;
  if (auto joined = join(sa); !joined) return std::unexpected(joined.error());
  if (!sa.pair) return Check(Refusal{ESRCH, Diagnostic::pair_sa_notfound});
  const Message partner = xfrm::partner_of(sa, sa.pair->spi);
  xfrm::put_name(m, XFRM_MSG_DELSA, batch_);
  xfrm::put_name(partner, XFRM_MSG_DELSA, batch_);
  auto refused = ask(m, batch_);
  if (!refused || *refused) return refused;
  if (auto begun = side_table_.begin(); !begun) return std::unexpected(begun.error());
  for (const Message* gone : {static_cast<const Message*>(&m), &partner})
    if (auto erased = side_table_.erase(backend::name_of(*gone)); !erased) return std::unexpected(erased.error());
  reply(xfrm::echo(std::move(m)));
  return Check();
}

}  // namespace ipseckey::kernel
