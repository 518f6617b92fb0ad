#include "prove/own.h"

#include <algorithm>
#include <set>
#include <utility>

#include "pfkey/algorithms.h"

namespace ipseckey::prove {
namespace {

constexpr std::size_t kOtherAlgorithms = 32;  // Octets by which ICV, IV and padding may differ.

std::size_t rounded(std::size_t octets, std::size_t to) { return (octets + to - 1) / to * to; }
std::size_t ip_head(Family family) { return family == Family::v4 ? 20 : 40; }

std::pair<std::uint32_t, std::uint32_t> seal_of(const Sighting& s) {
  const Seal& seal = s.esp ? *s.esp : *s.ah;
  return {seal.spi, seal.number};
}

// The one SA that protects it; nullptr: it is not known, or there are two.
const SaView* protector(const Facts& f, const Sighting& s) {
  if (s.ah && s.esp) return nullptr;
  const auto found = std::ranges::find_if(f.sas, [&](const SaView& sa) {
    const auto& seal = sa.held.facts.type == pfkey::SaType::ah ? s.ah : s.esp;
    return seal && sa.held.facts.spi == seal->spi && (sa.held.facts.dst == s.to || s.udp);
  });
  return found == f.sas.end() ? nullptr : &*found;
}

// The size that an IP packet gets: RFC 4303 section 2.
std::size_t in_esp(const Facts& f, const Sighting& s, const SaView& sa, std::size_t octets) {
  const auto* const cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, sa.held.facts.encrypt);
  const std::size_t outer = ip_head(s.from.family);
  const std::size_t content = sa.held.facts.tunnel ? octets : octets - std::min(octets, ip_head(f.flow.remote.family));
  const std::size_t block = std::max<std::size_t>(4, cipher ? cipher->block : 0);
  const std::size_t icv = sa.icv_bits / 8u;
  return outer + (s.udp ? 8 : 0) + 8 + (cipher ? cipher->iv : 0) + rounded(content + 2, block) + icv;
}

// RFC 4302 section 3.3.3.2.1: the ICV may be padded.
Sizes in_ah(const Sighting& s, const SaView& sa, Sizes sizes) {
  const std::size_t more = 12 + sa.icv_bits / 8u + (sa.held.facts.tunnel ? ip_head(s.from.family) : 0);
  return {sizes.least + more, rounded(sizes.most + more, 8) + 8};
}

}  // namespace

bool can_hold(const Facts& f, const Sighting& s, Sizes sizes, std::size_t slack) {
  const SaView* const sa = protector(f, s);
  Sizes sealed{sizes.least + 8, sizes.most + 160};  // Of two SAs, or of one that is not known.
  if (sa && s.ah) sealed = in_ah(s, *sa, sizes);
  if (sa && s.esp) sealed = {in_esp(f, s, *sa, sizes.least), in_esp(f, s, *sa, sizes.most)};
  return s.size + slack >= sealed.least && s.size <= sealed.most + slack;
}

void claim(Facts& f, const Sent& sent) {
  const std::size_t slack = sent.answered ? 0 : kOtherAlgorithms;
  for (const bool out : {true, false}) {
    const auto like_it = [&](const Sighting& s) {
      if (s.out != out || !s.sealed() || (out ? s.to : s.from) != f.outer_to) return false;
      if (out) return can_hold(f, s, sent.sizes);
      return std::ranges::any_of(sent.answers, [&](Sizes sizes) { return can_hold(f, s, sizes, slack); });
    };
    std::set<std::pair<std::uint32_t, std::uint32_t>> modelled, others;
    bool before = false;
    for (std::size_t i = sent.quiet ? 0 : sent.begin; i < f.wire.size(); ++i) {
      const Sighting& s = f.wire[i];
      if (!like_it(s)) continue;
      if (i < sent.begin) before = before || as_modelled(f, s);
      if (i >= sent.begin) (as_modelled(f, s) ? modelled : others).insert(seal_of(s));
    }
    const auto& chosen = modelled.empty() ? others : modelled;
    if (chosen.empty()) continue;
    if (chosen.size() > sent.packets || before) {
      f.crowded = true;
      continue;
    }
    for (std::size_t i = sent.begin; i < f.wire.size(); ++i)
      if (like_it(f.wire[i]) && chosen.contains(seal_of(f.wire[i]))) f.wire[i].mine = true;
  }
}

void confirm_refusals(Facts& f) {
  constexpr std::string_view kRepeated = "in.replayed in.late XfrmInStateSeqError";
  if (!f.replay_in.accepted && grown_here(f, kRepeated) == 0) f.replay_in = {};
  if (!f.there || !f.there_before) return;
  if (!f.replay.accepted && grown_there(f, kRepeated) == 0) f.replay = {};
  if (!f.flip.accepted && grown_there(f, kCorrupt) == 0) f.flip = {};
}

}  // namespace ipseckey::prove
