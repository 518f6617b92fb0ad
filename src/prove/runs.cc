// 1. Allowance counts by asker and second.
// 2. Runs::take() forgets what is old, then the oldest run of the asker, then one of the asker who has most. Runs in
//    clear never displace protected ones.
// 3. RunSeen::left() tells which packet carried an echo. Nobody can read that in it. Packets of one SA leave in the
// order
//    in which they were sent, so each echo has its packet if as many left in time, with fitting sizes, as were sent.
#include "prove/runs.h"

#include <algorithm>

namespace ipseckey::prove {
namespace {

bool has(const std::optional<Seal>& seal, std::uint32_t spi) { return seal && spi != 0 && seal->spi == spi; }
bool has(const Sighting& s, std::uint32_t spi) { return has(s.esp, spi) || has(s.ah, spi); }

// The least that ESP adds to UDP's data, and the most: IPv6 in IPv6, AH, UDP, an IV, padding and an ICV of 32 octets.
constexpr std::size_t kLeastAdded = 20 + 8 + 8, kMostAdded = 2 * 40 + 8 + 44 + 8 + 8 + 16 + 17 + 32;

}  // namespace

bool fits_question(const Echo& echo, std::size_t tell) {
  constexpr std::size_t kPadding = 16;
  const std::size_t heads = echo.to.family == Family::v4 ? 28 : 48;
  const std::size_t packet = echo.octets.size() - echo.packet_at;
  const std::size_t added = packet - std::min(packet, echo.size);
  return packet + tell + added + kPadding + heads + kHead <= heads + kTalk;
}

bool Allowance::spend(const Asker& asker, std::chrono::nanoseconds now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != second_) second_ = second, spent_.clear(), clear_ = 0;
  const std::pair key(asker.sealed, asker.address);
  if (!asker.sealed && (clear_ >= kClearOfAll || (spent_.size() >= kMostAskers && !spent_.contains(key)))) return false;
  unsigned& spent = spent_[key];
  if (spent >= (asker.sealed ? kSealed : kClear)) return false;
  ++spent;
  if (!asker.sealed) ++clear_;
  return true;
}

void RunSeen::count(const Marker& marker) {
  ++received;
  const auto found = std::ranges::find(of_marker, marker, &std::pair<Marker, std::uint32_t>::first);
  if (found != of_marker.end()) {
    ++found->second;
    return;
  }
  if (of_marker.size() >= kMostMarkers) of_marker.pop_front();
  of_marker.emplace_back(marker, 1);
}

std::uint32_t RunSeen::times(const Marker& marker) const {
  const auto found = std::ranges::find(of_marker, marker, &std::pair<Marker, std::uint32_t>::first);
  return found == of_marker.end() ? 0 : found->second;
}

void RunSeen::add(Echo echo, std::chrono::nanoseconds now) {
  for (const Echo& e : echoes)
    if (e.marker == echo.marker) echo.repeated = e.repeated;  // A probe that is sent again does not give more.
  std::erase_if(echoes, [&](const Echo& e) { return e.marker == echo.marker; });
  if (echoes.size() >= kMostEchoes) echoes.pop_front();
  echo.until = now + kPatience;
  echoes.push_back(std::move(echo));
}

Echo* RunSeen::left(const Sighting& packet, std::chrono::nanoseconds now) {
  const auto seal_of = [&](const Echo& e) { return has(packet.esp, e.spi) ? packet.esp : packet.ah; };
  const auto fits = [&](const Echo& e) {
    return now <= e.until && has(packet, e.spi) && packet.to == e.outer && packet.size >= e.size + kLeastAdded &&
           packet.size <= e.size + kMostAdded;
  };
  const auto seen = [&](const Echo& e) { return has(packet, e.spi) && e.seal == seal_of(e); };
  if (std::ranges::any_of(echoes, seen)) return nullptr;  // It was sent again.
  for (Echo& e : echoes)
    if (fits(e) && !e.seal) {
      e.seal = seal_of(e);
      return &e;
    }
  // One packet too many: any of them may be another program's.
  for (Echo& e : echoes)
    if (fits(e)) e.doubtful = true;
  return nullptr;
}

void RunSeen::came(const Sighting& packet) {
  if (!known) return;
  const Seal& seal = packet.esp ? *packet.esp : *packet.ah;
  if (has(packet, asked.out_spi) && (owns || packet.from == asker)) {
    ++protected_seen;
    last_number = seal.number;
    if (packet.from != asked.outer && !is_unspecified(asked.outer)) protected_from = packet.from;
  } else if (packet.from == asker) {
    other_spi = seal.spi;
  }
}

Echo* RunSeen::certain(const Marker& marker) {
  const auto found = std::ranges::find(echoes, marker, &Echo::marker);
  return found == echoes.end() || !found->seal || found->doubtful ? nullptr : &*found;
}

RunSeen* Runs::find(const Marker& run) {
  const auto found = std::ranges::find(runs_, run, &RunSeen::run);
  return found == runs_.end() ? nullptr : &*found;
}

RunSeen* Runs::take(const Marker& run, const Asker& asker, std::chrono::nanoseconds now) {
  std::erase_if(runs_, [&](const RunSeen& r) { return r.last + kKept < now; });
  RunSeen* found = find(run);
  if (!found) {
    if (!make_room(asker)) return nullptr;
    found = &runs_.emplace_back();
    found->run = run, found->owner = asker;
  }
  if (asker.sealed) found->owner = asker;
  found->last = now;
  return found;
}

bool Runs::make_room(const Asker& asker) {
  std::map<std::pair<bool, Address>, std::size_t> shares;
  for (const RunSeen& r : runs_) ++shares[{r.owner.sealed, r.owner.address}];
  const std::size_t mine = shares[{asker.sealed, asker.address}];
  std::optional<Asker> loses;
  if (mine >= kMostOfOne) {
    loses = asker;
  } else if (runs_.size() >= kMost) {
    std::size_t most = 0;
    for (const auto& [who, share] : shares) {
      const bool may = who.first == asker.sealed ? share > mine + 1 : asker.sealed;
      if (may && share > most) loses = Asker{who.second, who.first}, most = share;
    }
    if (!loses) return false;
  }
  if (!loses) return true;
  const auto oldest = std::ranges::find(runs_, *loses, &RunSeen::owner);
  if (oldest != runs_.end()) runs_.erase(oldest);
  return true;
}

}  // namespace ipseckey::prove
