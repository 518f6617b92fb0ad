#include "lang/savable.h"

#include "lang/commands.h"
#include "lang/rules.h"
#include "lang/to_spec.h"
#include "pfkey/algorithms.h"
#include "pfkey/units.h"

namespace ipseckey::lang {
namespace {

// An SA whose keys the SADB does not return, or whose algorithm has no name here, cannot be added again.
bool gives_keys(const pfkey::Message& m) {
  using enum pfkey::AlgorithmKind;
  const auto whole = [&](pfkey::AlgorithmKind kind, std::uint8_t number, bool key) {
    const pfkey::Algorithm* const row = pfkey::find_algorithm(kind, number);
    return number == 0 || (row && (key || !row->takes_key()));
  };
  return whole(auth, m.sa->auth, m.auth_key.has_value()) && whole(encrypt, m.sa->encrypt, m.encrypt_key.has_value());
}

// Why a load would refuse the SA; empty: it would not.
std::string broken_rule(pfkey::SaType type, const SaSpec& spec) {
  std::string broken;
  check_rules(
      {Verb::add, type, spec}, [](const Slot&) { return false; },
      [&](Objection&& o) {
        if (o.severity == Severity::error && broken.empty()) broken = std::move(o.message);
      });
  return broken;
}

}  // namespace

std::expected<SavableSa, UnsavableSa> savable(pfkey::Message&& sa) {
  const auto state = sa.sa ? sa.sa->state : pfkey::State::larval;
  const auto address = [](const auto& endpoint) { return endpoint ? endpoint->address : Address{}; };
  const auto unsavable = [type = sa.satype, spi = sa.sa ? sa.sa->spi : 0,
                          dst = address(sa.dst)](std::optional<std::string> reason) {
    return std::unexpected(UnsavableSa{type, spi, dst, std::move(reason)});
  };
  if (state == pfkey::State::larval) return unsavable(std::nullopt);
  // A remark describes what the language cannot express: without it the SA would be a different one.
  if (sa.remark) return unsavable(pfkey::escaped(sa.remark->text));
  if (!gives_keys(sa)) return unsavable("the SADB did not return its keys");
  SavableSa out{.type = sa.satype,
                .src = address(sa.src),
                .dst = address(sa.dst),
                .past_soft_limit = state == pfkey::State::dying || state == pfkey::State::dead,
                .spec = to_spec(std::move(sa))};
  if (std::string broken = broken_rule(out.type, out.spec); !broken.empty()) return unsavable(std::move(broken));
  return out;
}

void PairOrder::place(SavableSa& sa) {
  if (!sa.spec.pair_spi) return;
  if (waiting_.erase({sa.type, sa.spec.pair_spi->value, sa.dst, sa.src}) > 0) return;
  waiting_.insert({sa.type, sa.spec.spi->value, sa.src, sa.dst});
  sa.spec.pair_spi.reset();
}

}  // namespace ipseckey::lang
