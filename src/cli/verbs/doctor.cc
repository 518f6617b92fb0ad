// `doctor`: what this machine's kernel can do for IPsec.
// 1. doctor() collects the facts (kernel/facts, kernel/trial) and which SADB `auto` would pick, and why.
// 2. doctor_screen() prints them: facts by topic and answer, policies, offload, rights, lockdown, counters, and the
//    verdict.
// 3. put() breaks each paragraph at the margin.
// 4. doctor_json() has the same as one object.
// 5. leaving_of() asks the ipsecd that is picked how its packets leave.
#include "cli/verbs/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/verbs/table.h"
#include "pfkey/units.h"
#include "system/status_client.h"

namespace ipseckey::cli {
namespace {

using kernel::KernelFact;
using kernel::Presence;

constexpr std::size_t kMargin = 16, kWidth = 80;

struct Answer {
  Presence presence;
  std::string_view word, program;  // For a person, and in JSON.
};
constexpr std::array kAnswers = {
    Answer{Presence::there, "yes", "yes"},
    Answer{Presence::loadable, "when needed", "loadable"},
    Answer{Presence::unknown, "not known", "unknown"},
    Answer{Presence::missing, "no", "no"},
};

struct Topic {
  std::string_view name, label;
};
constexpr std::array kTopics = {Topic{"protocol", "Protocols"}, Topic{"authentication", "Authentication"},
                                Topic{"encryption", "Encryption"}, Topic{"feature", "Features"}};

// "LABEL   words", broken at blanks, the following lines under the first word.
void put(std::string& out, std::string_view label, std::string_view text) {
  std::string line = fmt::format("{:<{}}", label, kMargin);
  std::size_t on_line = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (on_line > 0 && line.size() + 1 + word.size() > kWidth) {
      out += line + '\n';
      line.assign(kMargin, ' ');
      on_line = 0;
    }
    line += fmt::format("{}{}", on_line == 0 ? "" : " ", word);
    ++on_line;
  }
  out += line + '\n';
}

void put_topic(std::string& out, const Topic& topic, const std::vector<KernelFact>& facts) {
  std::string_view label = topic.label;
  for (const Answer& answer : kAnswers) {
    std::string list;
    for (const KernelFact& fact : facts) {
      if (fact.topic != topic.name || fact.presence != answer.presence) continue;
      list += fmt::format("{}{}", list.empty() ? "" : ", ", fact.name);
      if (fact.presence == Presence::missing && !fact.cure.empty()) list += fmt::format(" (`{}`)", fact.cure);
    }
    if (list.empty()) continue;
    put(out, label, fmt::format("{}: {}", answer.word, list));
    label = "";
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string_view lockdown_means(std::string_view mode) {
  if (mode == "confidentiality") return "confidentiality: keys are hidden, so the kernel's SAs cannot be saved";
  if (mode == "integrity") return "integrity: does not affect IPsec";
  return mode.empty() ? "none visible" : "none";
}

void put_counters(std::string& out, const kernel::KernelView& kernel) {
  std::string lines;
  for (const auto& [name, value] : kernel.counters)
    if (const auto meaning = kernel::counter_meaning(name); value != 0)
      put(lines, fmt::format("{:>12}", value), fmt::format("{}{}{}", name, meaning.empty() ? "" : ": ", meaning));
  put(out, "Dropped packets",
      kernel.counters.empty() ? "not counted by this kernel (CONFIG_XFRM_STATISTICS)"
      : lines.empty()         ? "none in /proc/net/xfrm_stat"
                              : "in /proc/net/xfrm_stat, since the network namespace was created:");
  out += lines;
}

// Surprising, so it is printed: without policies the kernel neither protects outgoing nor rejects clear packets.
std::string policies_mean(std::optional<std::size_t> policies) {
  if (!policies) return "not known; without policies the kernel's SAs protect nothing (`ip xfrm policy`)";
  if (*policies == 0)
    return "none: without policies the kernel's SAs protect nothing and all traffic is in the clear (`ip xfrm policy`)";
  return fmt::format("{}: the kernel protects the traffic that they select; SAs alone protect nothing", *policies);
}

std::string verdict_of(const Diagnosis& d) {
  if (d.picked.empty()) return d.why;
  return fmt::format("auto picks {}: {}{}", d.picked, d.why,
                     d.usable() ? "" : "; but this user may not use it: run ipseckey as root");
}

}  // namespace

std::string doctor_screen(const Diagnosis& d) {
  const kernel::KernelView& kernel = d.kernel;
  std::string out;
  put(out, "Kernel",
      fmt::format("{}; facts from {}", kernel.system,
                  kernel.report.asked ? "the kernel itself" : "this machine's files, not from the kernel"));
  for (const Topic& topic : kTopics) put_topic(out, topic, kernel.report.facts);
  put(out, "Policies", policies_mean(kernel.policies));
  put(out, "Offload",
      kernel.offload_devices.empty() ? "no device here offloads ESP (esp-hw-offload)"
                                     : fmt::format("devices that offload ESP: {}", joined(kernel.offload_devices)));
  put(out, "This user",
      kernel.may_change ? "may change the kernel's SAs (CAP_NET_ADMIN)"
                        : "may not see or change the kernel's SAs: CAP_NET_ADMIN is missing; run ipseckey as root");
  put(out, "Lockdown", lockdown_means(kernel.lockdown));
  put_counters(out, kernel);
  put(out, "SADB", verdict_of(d));
  for (const std::string& sentence : d.leaving) put(out, &sentence == d.leaving.data() ? "Its packets" : "", sentence);
  return out;
}

std::string doctor_json(const Diagnosis& d) {
  std::vector<JsonObject> facts, counters;
  for (const KernelFact& fact : d.kernel.report.facts) {
    JsonObject& row = facts.emplace_back();
    row.put("topic", fact.topic);
    row.put("name", fact.name);
    row.put("answer", kAnswers[static_cast<std::size_t>(fact.presence)].program);
    if (fact.presence == Presence::missing && !fact.cure.empty()) row.put("cure", fact.cure);
  }
  for (const auto& [name, value] : d.kernel.counters) {
    JsonObject& row = counters.emplace_back();
    row.put("name", name);
    row.put("value", value);
    row.put("meaning", kernel::counter_meaning(name));
  }
  JsonObject object;
  object.put("kind", "doctor");
  object.put("sadb", d.picked.empty() ? "none" : d.picked);
  object.put("usable", d.usable());
  object.put("why", d.why);
  object.put("kernel", d.kernel.system);
  object.put("asked", d.kernel.report.asked);
  object.put("facts", std::move(facts));
  if (d.kernel.policies) object.put("policies", static_cast<std::uint64_t>(*d.kernel.policies));
  object.put("offload_devices", d.kernel.offload_devices);
  object.put("may_change", d.kernel.may_change);
  object.put("lockdown", d.kernel.lockdown.empty() ? "unknown" : d.kernel.lockdown);
  object.put("counters", std::move(counters));
  if (!d.leaving.empty()) object.put("leaving", d.leaving);
  return object.line();
}

namespace {

// Nothing if it cannot be asked, or has no such packets.
std::vector<std::string> leaving_of(const World& world, std::string_view sadb) {
  constexpr std::string_view kIpsecd = "ipsecd:";
  std::vector<std::string> sentences;
  if (!world.ask_status || !sadb.starts_with(kIpsecd)) return sentences;
  const auto said = world.ask_status(status_path(std::string(sadb.substr(kIpsecd.size()))), "leaving");
  std::istringstream lines(said.value_or(""));
  for (std::string line; std::getline(lines >> std::ws, line);) sentences.push_back(pfkey::escaped(line));
  return sentences;
}

}  // namespace

Status verbs::doctor(Runner& runner, const lang::Command&) {
  Session& session = runner.session();
  const World& world = session.world();
  const auto picked = world.open("auto");
  Diagnosis d{world.view_kernel(), picked ? (*picked)->name() : "", ""};
  d.why = !picked                ? picked.error().text
          : d.picked == "kernel" ? "no ipsecd answers on its default socket, and this kernel has ESP or AH"
                                 : "it answers on its default socket";
  d.leaving = leaving_of(world, d.picked);
  session.console().out(session.settings().json ? doctor_json(d) : doctor_screen(d));
  return d.usable() ? Status::ok : Status::no_sadb;
}

}  // namespace ipseckey::cli
