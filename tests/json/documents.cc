// Writes lines with members that few sessions have, for schema_test.py to check against the schema.
#include <cstdio>
#include <string>

#include "apply/plan.h"
#include "cli/rules/explanation.h"
#include "cli/rules/proof.h"
#include "cli/verbs/doctor.h"
#include "pfkey/json.h"
#include "pfkey/notices.h"
#include "pfkey/test_samples.h"
#include "prove/testing.h"

using namespace ipseckey;
using namespace pfkey;

int main() {
  JsonOptions options;
  options.sadb = "memory";
  options.now = samples::now();
  SecretText text;
  json_sa(samples::tunnel_sa(), options, text);
  json_message(samples::everything(), options, text);
  json_message(samples::header(Type::flush, SaType::unspec, 1, 2), options, text);
  json_message(gap_notice(12), options, text);

  options.paranoid = true;
  options.now.reset();
  json_sa(samples::tunnel_sa(), options, text);
  Message add = samples::header(Type::add, SaType::esp, 1, 2);
  add.sa = Sa{1, 0, State{99}, 200, 20, 0xffffffff};
  add.encrypt_key = samples::key(224, 64, "00112233445566778899aabbccddeeffa1b2c3d40123456789abcdef");
  add.hard = Lifetime{UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
  add.src_identity = Identity{IdentityType::x_dn, 0, "a\xff"};
  json_message(add, options, text);
  options.paranoid = false;
  json_message(add, options, text);

  std::string out(text);
  Report report;
  report.sadb = "memory";
  report.file = "keys";
  report.faults = {{false, "keys", 2, 9, 6, "unknown keyword"}, {true, "", 0, 0, 0, "readable by others"}};
  json_report(report, out);
  report.kind = Report::Kind::load;
  json_report(report, out);
  apply::Plan plan(false);
  const backend::SaName name{SaType::esp, 0x1000, {}, 0};
  plan.wanted() = {{.name = name},
                   {.name = name,
                    .what = apply::PlannedSa::Do::replace,
                    .differs = lang::KeywordSet::of(0) | lang::KeywordSet::of(1)},
                   {.name = name, .what = apply::PlannedSa::Do::update, .differs = lang::KeywordSet::of(0)},
                   {.name = name, .what = apply::PlannedSa::Do::keep}};
  plan.surplus() = {{.name = name, .what = apply::PlannedSa::Do::remove}};
  out += apply::plan_json(plan, "memory", "keys") + apply::summary_json(plan, "memory", "keys", true);
  using enum kernel::Presence;
  out += cli::doctor_json({.kernel = {.system = "Linux 6.1.0",
                                      .report = {true,
                                                 {{"protocol", "ESP over IPv4", there},
                                                  {"encryption", "aes-gcm", loadable},
                                                  {"encryption", "null", unknown},
                                                  {"protocol", "AH over IPv6", missing, "modprobe ah6"}}},
                                      .policies = 2,
                                      .offload_devices = {"eth0"},
                                      .may_change = true,
                                      .lockdown = "none",
                                      .counters = {{"XfrmInNoStates", 7}}},
                           .picked = "kernel",
                           .why = "no ipsecd answers",
                           .leaving = {"To 2 addresses packets leave by a packet socket."}});
  out += cli::doctor_json({});
  // A packet that another program's policy may be about.
  cli::RuleSource held;
  backend::HeldRule& foreign = held.rules.emplace_back();
  foreign.index = 9, foreign.foreign = foreign.partial = true;
  foreign.rule.out = true, foreign.rule.alternatives = {{policy::Action::drop, {}}};
  foreign.remarks = {"it is about the interface with the number 3 only"};
  foreign.policies = {{.direction = "out", .text = "out"}};
  const cli::ExplainedPacket packet;
  out += cli::explanation_json(cli::explain_packet(held, {}, packet), held, {}, "kernel").line();
  // A proof of a rule whose SA ends soon, and one that nothing answers.
  prove::Facts good = prove::testing::good();
  good.sas[0].current.addtime = good.now - 100, good.sas[0].hard.addtime = 130;
  for (const prove::Facts& f : {good, prove::testing::lost()})
    out += cli::proof_json({3, 7, "192.0.2.2", prove::judge(f), f}, "kernel").line();
  std::fputs(out.c_str(), stdout);
}
