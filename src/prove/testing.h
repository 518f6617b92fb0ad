#pragma once
/// Observations of a rule that is proved, for the tests of this folder: all is as it should be.
#include "prove/judge.h"

namespace ipseckey::prove::testing {

inline const Address kHere = *parse_address("192.0.2.1"), kThere = *parse_address("192.0.2.2");
inline constexpr std::uint32_t kOut = 0x1000, kIn = 0x1001;

inline policy::HeldSa held(std::uint32_t spi, const Address& src, const Address& dst) {
  policy::HeldSa sa;
  sa.facts.src = src, sa.facts.dst = dst;
  sa.facts.encrypt = 12, sa.facts.auth = 5;  // AES-CBC, HMAC-SHA-256.
  sa.facts.spi = spi;
  return sa;
}

inline SaView view(std::uint32_t spi, const Address& src, const Address& dst) {
  SaView v;
  v.held = held(spi, src, dst);
  v.window = 64, v.icv_bits = 128;
  return v;
}

inline Sighting sealed(bool out, std::uint32_t spi, std::uint32_t number) {
  Sighting s;
  s.out = out, s.from = out ? kHere : kThere, s.to = out ? kThere : kHere;
  s.size = 200, s.protocol = 50, s.esp = Seal{spi, number};
  s.mine = true;
  return s;
}

inline Sighting clear(bool out, Kind kind) {
  Sighting s;
  s.out = out, s.from = out ? kHere : kThere, s.to = out ? kThere : kHere;
  s.size = 178, s.protocol = 17, s.from_port = s.to_port = kPort;
  s.ours = Head{kind, {}, {}};
  return s;
}

/// Serves or decides again which SAs serve, after a change of the rule or the SAs.
inline void serve(Facts& f) {
  std::vector<policy::HeldSa> sas;
  for (const SaView& v : f.sas) sas.push_back(v.held);
  f.out = policy::serve(f.rule, policy::Direction::out, sas, policy::Chooser::exact, &f.flow);
  f.in = policy::serve(f.rule, policy::Direction::in, sas, policy::Chooser::exact, &f.flow);
}

/// With the other end's help.
inline Facts good() {
  Facts f;
  f.database = Database::hook;
  policy::Protection p;
  p.cipher = policy::Choice{.number = 12, .min_bits = {}, .max_bits = {}};
  p.integrity = policy::Choice{.number = 5, .min_bits = {}, .max_bits = {}};
  f.rule.selector.remote = policy::Prefix{kThere, 32};
  f.rule.out = f.rule.in = true;
  f.rule.alternatives = {{policy::Action::ipsec, p}};
  f.flow.local = kHere, f.flow.remote = kThere, f.flow.protocol = 17;
  f.flow.local_port = 40000, f.flow.remote_port = kPort;
  f.sas = {view(kOut, kHere, kThere), view(kIn, kThere, kHere)};
  serve(f);
  f.outer_to = kThere;
  f.inner = f.outer = Way{true, "eth0", 1500, false, Way::Neighbour::there, kThere};
  f.now = 1'000'000;
  f.sent = 2, f.answers = 2, f.heard = true;
  f.wire = {sealed(true, kOut, 1), sealed(false, kIn, 1)};
  Tell t;
  t.time = f.now;
  t.to_me.held = t.to_you.held = t.to_you.outbound = true;
  t.to_me.encrypt = t.to_you.encrypt = 12, t.to_me.auth = t.to_you.auth = 5;
  t.to_me.icv_bits = t.to_you.icv_bits = 128;
  t.to_me.window = t.to_you.window = 64;
  t.in_rule = t.out_rule = RuleThere::served;
  t.protected_seen = 2, t.received = 2;
  f.there_before = f.there = t;
  f.replay = f.flip = f.replay_in = f.clear_in = Repeat{true, false};
  f.largest = f.wanted = 1442;
  f.pieces = true;
  return f;
}

/// It leaves protected, and no answer comes.
inline Facts lost() {
  Facts f = good();
  f.answers = 0;
  f.wire = {sealed(true, kOut, 1)};
  f.there->received = 0;
  f.replay = f.flip = f.replay_in = f.clear_in = Repeat();
  f.largest = f.wanted = 0;
  f.pieces.reset();
  return f;
}

/// Nothing leaves.
inline Facts silent() {
  Facts f = lost();
  f.wire.clear();
  f.there.reset(), f.there_before.reset();
  f.heard = false;
  return f;
}

/// The other end gets it, and answers by the SA for it; that does not arrive.
inline Facts unheard() {
  Facts f = lost();
  f.there->received = 1;
  f.wire.push_back(sealed(false, kIn, 1));
  return f;
}

}  // namespace ipseckey::prove::testing
