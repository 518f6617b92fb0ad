// 1. Copies that a kernel shows of what it has opened are taken out of what was seen.
// 2. The first row of the tables of causes (detail/causes.h) that holds is the verdict.
// 3. If none holds, it is protected: summary() says by what.
#include "prove/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pfkey/algorithms.h"
#include "prove/detail/causes.h"
#include "prove/own.h"

namespace ipseckey::prove {

using policy::Direction;

namespace detail {

std::string load_same_keys(const Facts&) { return "load the same keys at both ends, and compare the files"; }
std::string load_new_keys(const Facts&) {
  return "load new keys at both ends: after a restart of one, its keys must not be used again";
}
std::string load_mirrored_rule(const Facts&) { return "load the mirrored rule there: ipsecconf explain prints it"; }
std::string explain_there(const Facts&) { return "ipsecconf explain there says which rule they meet"; }

bool left_sealed(const Facts& f) {
  return std::ranges::any_of(f.wire, [&](const Sighting& s) { return s.out && s.mine && as_modelled(f, s); });
}

bool came_sealed(const Facts& f) {
  return std::ranges::any_of(f.wire, [&](const Sighting& s) { return !s.out && s.mine && as_modelled(f, s); });
}

namespace {
const Sighting* clear(const Facts& f, bool out) {
  const auto found = std::ranges::find_if(f.wire, [&](const Sighting& s) { return s.out == out && in_clear(f, s); });
  return found == f.wire.end() ? nullptr : &*found;
}
}  // namespace

const Sighting* clear_out(const Facts& f) {
  return f.out.service == policy::Service::not_needed && !f.rule.out ? nullptr : clear(f, true);
}
const Sighting* clear_back(const Facts& f) { return clear(f, false); }

const Sighting* sealed_back(const Facts& f) {
  const auto found = std::ranges::find_if(f.wire, [&](const Sighting& s) { return !s.out && s.sealed() && s.mine; });
  return found == f.wire.end() ? nullptr : &*found;
}

std::string spi_text(std::uint32_t spi) { return fmt::format("0x{:x}", spi); }

std::string spi_text(const Facts& f, Direction d) {
  const auto spi = spi_of(f, d);
  return spi ? spi_text(*spi) : "(none)";
}

std::string algorithms_text(std::uint8_t encrypt, std::uint8_t auth) {
  const std::string cipher = encrypt != 0 ? pfkey::algorithm_name(pfkey::AlgorithmKind::encrypt, encrypt) : "";
  if (auth == 0) return cipher.empty() ? "no algorithm" : cipher;
  const std::string mac = pfkey::algorithm_name(pfkey::AlgorithmKind::auth, auth);
  return cipher.empty() ? mac : cipher + " with " + mac;
}

}  // namespace detail

namespace {

using detail::Row;

std::array<std::span<const Row>, 4> tables() {
  return {detail::sending_causes(), detail::arriving_causes(), detail::returning_causes(), detail::proof_causes()};
}

constexpr std::size_t kMostAdded = 160;  // Octets by which protection makes a packet larger.

// Linux shows to a capture, besides a protected packet of tunnel mode, what was inside, as if it had come in clear.
// Each protected packet excuses one that follows it, and that has the size that it can have held.
void leave_out_opened(Facts& f) {
  const SaView* const sa = sa_of(f, Direction::in);
  if (f.database != Database::kernel || !sa || !sa->held.facts.tunnel) return;
  std::vector<Sighting> sealed;
  std::erase_if(f.wire, [&](const Sighting& s) {
    if (s.out) return false;
    if (as_modelled(f, s)) sealed.push_back(s);
    if (!in_clear(f, s)) return false;
    const auto held = std::ranges::find_if(sealed, [&](const Sighting& one) {
      return one.piece ? one.size <= s.size + kMostAdded : can_hold(f, one, {s.size, s.size});
    });
    if (held == sealed.end()) return false;
    sealed.erase(held);
    return true;
  });
}

std::string time_text(std::uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172800) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

// Seconds until a limit is reached at the rate since the SA was added; nullopt: not for years.
std::optional<std::uint64_t> left(const SaView& sa, std::uint64_t now) {
  constexpr std::uint64_t kForever = 365 * 86400;
  std::uint64_t least = kForever;
  const auto limit = [&](std::uint64_t seconds) { least = std::min(least, seconds); };
  const std::uint64_t age = now > sa.current.addtime ? now - sa.current.addtime : 0;
  if (sa.hard.addtime != 0) limit(sa.hard.addtime > age ? sa.hard.addtime - age : 0);
  if (sa.hard.usetime != 0 && sa.current.usetime != 0) {
    const std::uint64_t used = now > sa.current.usetime ? now - sa.current.usetime : 0;
    limit(sa.hard.usetime > used ? sa.hard.usetime - used : 0);
  }
  const auto at_rate = [&](std::uint64_t done, std::uint64_t most) {
    if (done == 0 || age == 0) return;
    if (done >= most) return limit(0);
    const auto seconds = static_cast<double>(most - done) * static_cast<double>(age) / static_cast<double>(done);
    if (seconds < static_cast<double>(kForever)) limit(static_cast<std::uint64_t>(seconds));
  };
  if (sa.hard.bytes != 0) at_rate(sa.current.bytes, sa.hard.bytes);
  if (!sa.esn) at_rate(sa.number, UINT32_MAX);
  return least < kForever ? std::optional(least) : std::nullopt;
}

void add_remarks(const Facts& f, Verdict& v) {
  constexpr std::uint64_t kSoon = 3600, kSkew = 60;
  for (const Direction d : {Direction::out, Direction::in}) {
    const SaView* const sa = sa_of(f, d);
    const auto seconds = sa ? left(*sa, f.now) : std::nullopt;
    if (seconds) v.seconds_left = std::min(*seconds, v.seconds_left.value_or(*seconds));
    if (seconds && *seconds < kSoon)
      v.remarks.push_back(fmt::format("SA {} ends in {} at the present rate: load new keys before",
                                      detail::spi_text(sa->held.facts.spi), time_text(*seconds)));
    if (sa && sa->held.dying)
      v.remarks.push_back(fmt::format("SA {} is dying: load new keys", detail::spi_text(sa->held.facts.spi)));
  }
  if (f.there && f.there->time != 0 && f.there->time + kSkew < f.now)
    v.remarks.push_back(fmt::format("the clock of the other end is {} behind", time_text(f.now - f.there->time)));
  if (f.there && f.there->time > f.now + kSkew)
    v.remarks.push_back(fmt::format("the clock of the other end is {} ahead", time_text(f.there->time - f.now)));
}

std::string replay_text(const Facts& f) {
  if (f.replay.tried) return f.replay_in.tried ? "replay on" : "replay on there, and here by its window";
  return f.in.service == policy::Service::not_needed ? "" : "replay window on";
}

std::string summary(const Facts& f) {
  const auto out = spi_of(f, Direction::out), in = spi_of(f, Direction::in);
  std::string text = out && in ? "protected both ways" : "protected";
  if (out) text += fmt::format(", by SA {}", detail::spi_text(*out));
  if (in) text += fmt::format("{} {}", out ? " and" : ", by SA", detail::spi_text(*in));
  if (!out) text += " of what comes in; no rule protects what is sent";
  if (!in) text += " of what is sent; no rule protects what comes in";
  if (const std::string replay = replay_text(f); !replay.empty()) text += ", " + replay;
  if (f.flip.tried) text += ", changed packets refused";
  if (f.clear_in.tried && in) text += ", clear packets refused";
  if (f.clear_in.tried && in && grown_here(f, "in.got_clear XfrmInTmplMismatch XfrmInNoPols") > 0)
    text += " and counted";
  if (f.largest != 0) text += fmt::format(", MTU {}", f.largest);
  return text;
}

}  // namespace

std::string_view word(State state) {
  switch (state) {
    case State::is_protected:
      return "protected";
    case State::in_clear:
      return "in-clear";
    case State::lost:
      return "lost";
    case State::weak:
      return "weak";
    case State::not_shown:
      return "not-shown";
  }
  return "";
}

Verdict judge(Facts f) {
  leave_out_opened(f);
  Verdict v;
  const auto found = [&]() -> const Row* {
    for (const auto table : tables())
      for (const Row& row : table)
        if (row.holds(f)) return &row;
    return nullptr;
  }();
  v.state = found ? found->state : State::is_protected;
  v.text = found ? found->text(f) : summary(f);
  if (found) v.cause = found->name, v.cure = found->cure(f);
  add_remarks(f, v);
  if (!found && v.seconds_left) v.text += fmt::format(", {} left", time_text(*v.seconds_left));
  return v;
}

std::vector<std::string_view> causes() {
  std::vector<std::string_view> names;
  for (const auto table : tables())
    for (const Row& row : table) names.push_back(row.name);
  return names;
}

}  // namespace ipseckey::prove
