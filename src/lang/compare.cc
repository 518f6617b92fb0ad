#include "lang/compare.h"

#include <algorithm>

#include "lang/to_spec.h"
#include "pfkey/algorithms.h"
#include "pfkey/alignment.h"
#include "pfkey/weak_keys.h"

namespace ipseckey::lang {
namespace {

using S = SaSpec;

// AH is as long with it as without.
bool align8_says_nothing(const S& s) {
  const pfkey::Algorithm* const mac =
      s.auth ? pfkey::find_algorithm(pfkey::AlgorithmKind::auth, s.auth->number) : nullptr;
  const bool v6 = s.dst && s.dst->literal && s.dst->literal->family == Family::v6;
  const auto& icv = s.*kPlain<&pfkey::Message::icv>;
  return v6 || (mac && !pfkey::alignment_matters(icv ? icv->value : mac->icv * 8u));
}

// Brings values that mean the same into one form.
void settle(S& s) {
  settle_joined(s);
  if (align8_says_nothing(s)) s.align8.reset();
  if (s.encap)
    for (auto* const port : {&s.nat_local_port, &s.nat_remote_port})
      if (!*port || (*port)->value == 0) *port = Port{pfkey::kNatPort};  // What the kernel fills in.
  const pfkey::Algorithm* const cipher =
      s.encrypt ? pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, s.encrypt->number) : nullptr;
  if (cipher && cipher->des && s.encrypt_key) pfkey::correct_parity(s.encrypt_key->material.bytes());
}

// Only a SADB that hides keys omits one.
bool hides_key(const S& wanted, const S& held) {
  return (wanted.auth_key && !held.auth_key) || (wanted.encrypt_key && !held.encrypt_key);
}

bool passed(const std::optional<Count>& limit, std::uint64_t so_far) { return limit && so_far >= limit->value; }

}  // namespace

Difference compare(SaSpec& want, pfkey::Message& held) {
  // Numbers go up by themselves; only one that is ahead must be set.
  const bool counts = held.replay_value.has_value();
  const std::uint64_t so_far = counts ? held.replay_value->number() : 0;
  S have = to_spec(std::move(held));
  Difference found{{}, hides_key(want, have)};
  if (!want.replay_value || want.replay_value->value <= so_far || !counts) {
    have.replay_value = want.replay_value;
  } else {
    have.replay_value = Count{so_far};
  }
  settle(want), settle(have);
  // Values that were not given are chosen by the SADB.
  if (!want.inbound && !want.outbound) have.inbound.reset(), have.outbound.reset();
  if (!want.state) have.state.reset();
  found.keywords = table::differences(keywords(), want, have);
  return found;
}

bool update_can(const Difference& difference, const SaSpec& wanted, const pfkey::Message& held, std::uint64_t now) {
  const pfkey::Lifetime current = held.current.value_or(pfkey::Lifetime{});
  if (difference.unknown || passed(wanted.hard_bytes, current.bytes) ||
      (current.addtime != 0 && passed(wanted.hard_addtime, now - std::min(now, current.addtime))) ||
      (current.usetime != 0 && passed(wanted.hard_usetime, now - std::min(now, current.usetime))))
    return false;
  return std::ranges::all_of(keywords(), [&](const Keyword& row) {
    if (!difference.keywords.meets(bit(row))) return true;
    return row.joint.updatable && table::has_value(row.slot, wanted);
  });
}

SaSpec update_of(const Difference& difference, const SaSpec& wanted) {
  S spec;
  spec.spi = wanted.spi, spec.src = wanted.src, spec.dst = wanted.dst, spec.mark = wanted.mark;
  for (const Keyword& row : keywords()) {
    if (!difference.keywords.meets(bit(row)) || !row.joint.updatable) continue;
    std::visit(
        [&]<class T>(std::optional<T> S::* member) {
          if constexpr (std::is_copy_assignable_v<T>) spec.*member = wanted.*member;
        },
        row.slot);
  }
  return spec;
}

bool update_is_empty(const SaSpec& spec) {
  return std::ranges::none_of(
      keywords(), [&](const Keyword& row) { return row.joint.updatable && table::has_value(row.slot, spec); });
}

std::string keyword_list(const KeywordSet& set) { return table::names_of(kKeywordTable, set); }

}  // namespace ipseckey::lang
