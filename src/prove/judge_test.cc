#include "prove/judge.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <functional>
#include <set>

#include "prove/testing.h"

namespace ipseckey::prove {
namespace {

using namespace testing;
using policy::Objection;
using policy::Service;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Fault {
  std::string_view cause;
  State state;
  Facts (*base)();
  std::function<void(Facts&)> sow;
};

void objects(Facts& f, Objection o) { f.there->to_me.objections |= std::uint32_t{1} << static_cast<unsigned>(o); }

// What each cause looks like, with as little else as there can be.
const std::vector<Fault>& faults() {
  using enum State;
  static const std::vector<Fault> kFaults = {
      {"not-loaded", lost, silent, [](Facts& f) { f.loaded = false; }},
      {"port-in-use", not_shown, silent, [](Facts& f) { f.busy = true; }},
      {"rule-order", in_clear, silent,
       [](Facts& f) { f.wire = {clear(true, Kind::probe)}, f.ahead_out = "rule #1", f.ahead_clear = true; }},
      {"may-be-clear", in_clear, silent,
       [](Facts& f) {
         f.wire = {clear(true, Kind::probe)}, f.sas.clear();
         f.rule.alternatives[0].protection.may_be_clear = true, serve(f);
       }},
      {"clear-route", in_clear, silent,
       [](Facts& f) { f.wire = {clear(true, Kind::probe)}, f.database = Database::tun, f.device = "ipsec0"; }},
      {"no-policy-device", in_clear, silent,
       [](Facts& f) { f.wire = {clear(true, Kind::probe)}, f.database = Database::kernel, f.unchecked_device = true; }},
      {"source-nat", in_clear, silent,
       [](Facts& f) { f.wire = {clear(true, Kind::probe)}, f.wire[0].from = *parse_address("198.51.100.1"); }},
      {"destination-nat", in_clear, good,
       [](Facts& f) { f.wire.push_back(clear(true, Kind::probe)), f.wire.back().to = *parse_address("198.51.100.1"); }},
      {"leaves-clear", in_clear, good, [](Facts& f) { f.wire.push_back(clear(true, Kind::probe)); }},
      {"other-rule", lost, silent, [](Facts& f) { f.ahead_out = "rule #1"; }},
      {"no-route", lost, silent, [](Facts& f) { f.send_error = ENETUNREACH; }},
      {"sa-unusable", lost, silent, [](Facts& f) { f.sas[0].held.usable = false, serve(f); }},
      {"sa-direction", lost, silent, [](Facts& f) { f.sas[0].held.direction = policy::Direction::in, serve(f); }},
      {"reqid-here", lost, silent, [](Facts& f) { f.rule.alternatives[0].protection.reqid = 7, serve(f); }},
      {"spi-here", lost, silent, [](Facts& f) { f.rule.alternatives[0].protection.spi = 7, serve(f); }},
      {"mark-here", lost, silent, [](Facts& f) { f.sas[0].held.facts.mark = pfkey::Mark{5}, serve(f); }},
      {"mode-here", lost, silent, [](Facts& f) { f.sas[0].held.facts.tunnel = true, serve(f); }},
      {"selector-here", lost, silent,
       [](Facts& f) { f.sas[0].held.dst_selector.proto = f.sas[0].held.src_selector.proto = 6, serve(f); }},
      {"algorithm-here", lost, silent, [](Facts& f) { f.sas[0].held.facts.encrypt = 3, serve(f); }},
      {"no-sa", lost, silent, [](Facts& f) { f.sas.clear(), serve(f); }},
      {"second-sa", weak, good, [](Facts& f) { f.out.service = Service::broken; }},
      {"other-sa", weak, good, [](Facts& f) { f.wire[0].esp->spi = 0x2000; }},
      {"other-traffic", not_shown, good, [](Facts& f) { f.wire[0].mine = false, f.crowded = true; }},
      {"neighbours-protected", lost, silent,
       [](Facts& f) { f.outer.neighbour = Way::Neighbour::nobody, f.neighbours_protected = true; }},
      {"no-neighbour", lost, silent, [](Facts& f) { f.outer.neighbour = Way::Neighbour::nobody; }},
      {"rules-awaited", lost, silent, [](Facts& f) { f.after["out.not_ready"] = 2; }},
      {"firewall-here", lost, silent, [](Facts& f) { f.send_error = EPERM; }},
      {"esp-stopped-here", lost, silent, [](Facts& f) { f.after["out.unsent"] = 2; }},
      {"nothing-leaves", lost, silent, [](Facts&) {}},
      {"path-drops-udp", lost, testing::lost, [](Facts& f) { f.there->protected_seen = 0, f.sas[0].udp = true; }},
      {"path-drops-esp", lost, testing::lost, [](Facts& f) { f.there->protected_seen = 0; }},
      {"spi-swapped", lost, testing::lost,
       [](Facts& f) { f.there->to_me.held = false, f.there->to_me.outbound = true; }},
      {"expired-there", lost, testing::lost,
       [](Facts& f) { f.there->to_me.held = false, f.there->to_me.was_held = true; }},
      {"missing-there", lost, testing::lost, [](Facts& f) { f.there->to_me.held = false; }},
      {"nat-between", lost, testing::lost, [](Facts& f) { f.there->protected_from = *parse_address("198.51.100.1"); }},
      {"encapsulation-differs", lost, testing::lost, [](Facts& f) { f.there->to_me.udp = true; }},
      {"mode-differs", lost, testing::lost, [](Facts& f) { f.there->to_me.tunnel = true; }},
      {"algorithms-differ", lost, testing::lost, [](Facts& f) { f.there->to_me.encrypt = 20; }},
      {"icv-differs", lost, testing::lost, [](Facts& f) { f.there->to_me.icv_bits = 96; }},
      {"wrong-key", lost, testing::lost, [](Facts& f) { f.there->counters["in.corrupt"] = 1; }},
      {"numbers-restarted", lost, testing::lost, [](Facts& f) { f.there->counters["in.late"] = 1; }},
      {"reqid-there", lost, testing::lost, [](Facts& f) { objects(f, Objection::reqid); }},
      {"mark-there", lost, testing::lost, [](Facts& f) { objects(f, Objection::mark); }},
      {"selector-there", lost, testing::lost, [](Facts& f) { f.there->counters["in.selector"] = 1; }},
      {"rule-differs", lost, testing::lost, [](Facts& f) { f.there->counters["in.bad_espealg"] = 1; }},
      {"rule-there-drops", lost, testing::lost, [](Facts& f) { f.there->in_rule = RuleThere::drop; }},
      {"rule-missing-there", lost, testing::lost, [](Facts& f) { f.there->counters["in.got_secure"] = 1; }},
      {"no-policy-there", lost, testing::lost, [](Facts& f) { f.there->counters["XfrmInNoPols"] = 1; }},
      {"rp-filter-there", lost, testing::lost, [](Facts& f) { f.there->counters["IPReversePathFilter"] = 1; }},
      {"firewall-there", lost, testing::lost, [](Facts&) {}},
      {"answers-clear", in_clear, unheard,
       [](Facts& f) {
         f.wire = {sealed(true, kOut, 1), clear(false, Kind::echo)}, f.there->out_rule = RuleThere::none;
       }},
      {"one-way", lost, unheard, [](Facts& f) { f.wire.pop_back(), f.there->out_rule = RuleThere::missing; }},
      {"rule-there-drops-answers", lost, unheard,
       [](Facts& f) { f.wire.pop_back(), f.there->out_rule = RuleThere::drop; }},
      {"unknown-back", lost, unheard, [](Facts& f) { f.wire.back().esp->spi = 0x2000; }},
      {"algorithms-differ-back", lost, unheard, [](Facts& f) { f.there->to_you.auth = 2; }},
      {"icv-differs-back", lost, unheard, [](Facts& f) { f.there->to_you.icv_bits = 96; }},
      {"wrong-key-back", lost, unheard, [](Facts& f) { f.after["in.corrupt"] = 1; }},
      {"numbers-restarted-back", lost, unheard, [](Facts& f) { f.after["XfrmInStateSeqError"] = 1; }},
      {"rule-refuses-answers", lost, unheard, [](Facts& f) { f.after["XfrmInTmplMismatch"] = 1; }},
      {"no-policy-here", lost, unheard, [](Facts& f) { f.after["XfrmInNoPols"] = 1; }},
      {"rp-filter-here", lost, unheard, [](Facts& f) { f.after["IPReversePathFilter"] = 1; }},
      {"firewall-here-back", lost, unheard, [](Facts&) {}},
      {"unreachable", lost, testing::lost,
       [](Facts& f) {
         f.there.reset();
         f.wire.push_back(clear(false, Kind::tell));
         f.wire.back().ours.reset(), f.wire.back().complaint = Complaint{3, 1, 0, false};
       }},
      {"answers-lost", lost, unheard, [](Facts& f) { f.wire.pop_back(); }},
      {"dead-peer", lost, testing::lost, [](Facts& f) { f.there.reset(), f.heard = false; }},
      {"no-answer", lost, testing::lost, [](Facts& f) { f.there.reset(); }},
      {"unseen", not_shown, good, [](Facts& f) { f.wire.erase(f.wire.begin()); }},
      {"closed-port", not_shown, good, [](Facts& f) { f.wire.pop_back(), f.unreachable = true; }},
      {"other-traffic-back", not_shown, good, [](Facts& f) { f.wire.back().mine = false, f.crowded = true; }},
      {"other-sa-back", weak, good, [](Facts& f) { f.wire.back().esp->spi = 0x2000; }},
      {"unseen-back", not_shown, good, [](Facts& f) { f.wire.pop_back(); }},
      {"no-integrity", weak, good, [](Facts& f) { f.flip.accepted = true; }},
      {"replay-there", weak, good, [](Facts& f) { f.replay.accepted = true; }},
      {"replay-here", weak, good, [](Facts& f) { f.sas[1].window = 0; }},
      {"clear-accepted", weak, good, [](Facts& f) { f.clear_in.accepted = true; }},
      {"mtu", weak, good, [](Facts& f) { f.largest = 1280; }},
      {"fragments-lost", weak, good, [](Facts& f) { f.pieces = false; }},
      {"packets-missed", not_shown, good, [](Facts& f) { f.missed = 3; }},
      {"hurried", not_shown, good, [](Facts& f) { f.hurried = true; }},
  };
  return kFaults;
}

TEST(Judge, NamesEveryFault) {
  for (const Fault& fault : faults()) {
    SCOPED_TRACE(fault.cause);
    Facts f = fault.base();
    fault.sow(f);
    const Verdict v = judge(f);
    EXPECT_EQ(v.cause, fault.cause);
    EXPECT_EQ(v.state, fault.state);
    EXPECT_FALSE(v.text.empty());
    EXPECT_FALSE(v.cure.empty());
    EXPECT_THAT(v.text, Not(::testing::EndsWith(".")));
  }
}

TEST(Judge, EachCauseHasAFault) {
  std::vector<std::string_view> sown;
  for (const Fault& fault : faults()) sown.push_back(fault.cause);
  EXPECT_EQ(sown, causes());
  EXPECT_EQ(std::set(sown.begin(), sown.end()).size(), sown.size());
}

TEST(Judge, SaysByWhatItIsProtected) {
  const Verdict v = judge(good());
  EXPECT_EQ(v.state, State::is_protected);
  EXPECT_EQ(v.cause, "");
  EXPECT_EQ(v.cure, "");
  EXPECT_EQ(v.text,
            "protected both ways, by SA 0x1000 and 0x1001, replay on, changed packets refused, clear packets refused, "
            "MTU 1442");
  EXPECT_THAT(v.remarks, ElementsAre());
  EXPECT_FALSE(v.seconds_left);
}

TEST(Judge, WithoutTheOtherEndItSaysLess) {
  Facts f = good();
  f.there.reset(), f.there_before.reset();
  f.replay_in = f.clear_in = Repeat();
  EXPECT_EQ(
      judge(f).text,
      "protected both ways, by SA 0x1000 and 0x1001, replay on there, and here by its window, changed packets refused, "
      "MTU 1442");
}

// Whatever else is as it should be.
TEST(Judge, AClearPacketIsNeverProtected) {
  for (const bool out : {true, false})
    for (const Kind kind : {Kind::probe, Kind::echo})
      for (const Database database : {Database::kernel, Database::tun, Database::hook, Database::other}) {
        Facts f = good();
        f.database = database;
        f.wire.push_back(clear(out, kind));
        EXPECT_EQ(judge(f).state, State::in_clear);
      }
}

// A capture on Linux sees what was in a tunnel as if it had come in clear, after the packet that it was in.
TEST(Judge, WhatTheKernelOpenedIsNotClear) {
  Facts f = good();
  f.database = Database::kernel;
  for (SaView& sa : f.sas) sa.held.facts.tunnel = true;
  f.wire.back().size = 252;  // RFC 4303: 20 + 8 + 16 of IV, 178 + 2 in blocks of 16, 16 of ICV.
  f.wire.push_back(clear(false, Kind::echo));
  f.rule.alternatives[0].protection.ends = policy::TunnelEnds{kHere, kThere};
  serve(f);
  EXPECT_EQ(judge(f).state, State::is_protected);
  f.wire.push_back(clear(false, Kind::echo));  // One more than came protected.
  EXPECT_EQ(judge(f).cause, "answers-clear");
}

// Another program's packet came protected; it excuses nothing.
TEST(Judge, WhatTheKernelOpenedHasTheSizeOfWhatItWasIn) {
  Facts f = good();
  f.database = Database::kernel;
  for (SaView& sa : f.sas) sa.held.facts.tunnel = true;
  f.rule.alternatives[0].protection.ends = policy::TunnelEnds{kHere, kThere};
  serve(f);
  f.wire.back().size = 1268;
  f.wire.push_back(clear(false, Kind::echo));
  EXPECT_EQ(judge(f).cause, "answers-clear");
}

// Prove's own question, and what others send, under the rule's SA or another one.
TEST(Judge, OtherPacketsProveNothing) {
  for (const bool out : {true, false}) {
    Facts f = good();
    for (Sighting& s : f.wire) s.mine = s.mine && s.out != out;
    EXPECT_EQ(judge(f).cause, out ? "unseen" : "unseen-back");
  }
  Facts f = good();
  for (const bool out : {true, false}) f.wire.push_back(sealed(out, 0x2000, 1)), f.wire.back().mine = false;
  EXPECT_EQ(judge(f).state, State::is_protected);
  // What comes protected is not what a firewall drops, if it was not an answer.
  f = unheard();
  f.there.reset(), f.there_before.reset();
  f.wire.back().mine = false;
  EXPECT_EQ(judge(f).cause, "no-answer");
}

// TCP carries no marker: its first sequence number tells it after NAT.
TEST(Judge, ConnectionsInClearAreFoundAfterNat) {
  Facts f = good();
  f.flow.protocol = pfkey::kProtoTcp, f.flow.remote_port = 7, f.first_number = 0xffffffff;
  Sighting syn = clear(true, Kind::probe);
  syn.ours.reset(), syn.protocol = pfkey::kProtoTcp, syn.from_port = 1024, syn.to_port = 7, syn.number = 0xffffffff;
  const auto cause = [&](const Sighting& s) {
    Facts seen = f;
    seen.wire.push_back(s);
    return judge(seen).cause;
  };
  EXPECT_EQ(cause(syn), "leaves-clear");
  syn.from = *parse_address("198.51.100.1");
  EXPECT_EQ(cause(syn), "source-nat");
  syn.from = kHere, syn.to = *parse_address("198.51.100.1");
  EXPECT_EQ(cause(syn), "destination-nat");
  syn.to = kThere, syn.to_port = 8;
  EXPECT_EQ(cause(syn), "destination-nat");
  syn.number = 0;  // What follows it.
  EXPECT_EQ(cause(syn), "destination-nat");
  Sighting answer = clear(false, Kind::echo);
  answer.ours.reset(), answer.protocol = pfkey::kProtoTcp, answer.from = *parse_address("198.51.100.1");
  answer.number = 5, answer.next = 0;
  EXPECT_EQ(cause(answer), "answers-clear");
  answer.next = syn.number = 77;  // Another connection.
  EXPECT_EQ(cause(answer), "");
  EXPECT_EQ(cause(syn), "");
}

TEST(Judge, QuestionsAndTheRefusedPacketAreNotProbes) {
  Facts f = good();
  for (const Kind kind : {Kind::ask, Kind::tell, Kind::again, Kind::clear})
    f.wire.push_back(clear(true, kind)), f.wire.push_back(clear(false, kind));
  EXPECT_EQ(judge(f).state, State::is_protected);
}

TEST(Judge, RemarksOnWhatEndsSoon) {
  Facts f = good();
  f.sas[0].current.addtime = f.now - 100;
  f.sas[0].hard.addtime = 130;
  f.sas[1].current.addtime = f.now - 1000;
  f.sas[1].number = 4'000'000'000;  // 4 million a second.
  f.there->time = f.now - 7300;
  EXPECT_EQ(judge(f).seconds_left, 30u);
  EXPECT_THAT(judge(f).text, ::testing::EndsWith(", MTU 1442, 30 s left"));
  EXPECT_THAT(judge(f).remarks, ElementsAre("SA 0x1000 ends in 30 s at the present rate: load new keys before",
                                            "SA 0x1001 ends in 73 s at the present rate: load new keys before",
                                            "the clock of the other end is 2 h behind"));
}

TEST(Judge, ARuleForOneDirection) {
  Facts f = good();
  f.rule.in = false;
  serve(f);
  f.wire = {sealed(true, kOut, 1), clear(false, Kind::echo)};
  f.clear_in = f.replay_in = Repeat();
  const Verdict v = judge(f);
  EXPECT_EQ(v.state, State::is_protected);
  EXPECT_THAT(v.text, HasSubstr("protected, by SA 0x1000 of what is sent; no rule protects what comes in"));
}

}  // namespace
}  // namespace ipseckey::prove
