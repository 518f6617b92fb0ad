#include "cli/doctor.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace cli {
namespace {

using backend::KernelFact;
using backend::Presence;

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
  if (mode == "confidentiality") return "confidentiality: keys are hidden, so no SA of the kernel can be saved";
  if (mode == "integrity") return "integrity: no matter here";
  return mode.empty() ? "none that can be seen" : "none";
}

void put_counters(std::string& out, const backend::KernelView& kernel) {
  std::string lines;
  for (const auto& [name, value] : kernel.counters)
    if (const auto meaning = backend::counter_meaning(name); value != 0)
      put(lines, fmt::format("{:>12}", value), fmt::format("{}{}{}", name, meaning.empty() ? "" : ": ", meaning));
  put(out, "Dropped packets",
      kernel.counters.empty() ? "not counted by this kernel (CONFIG_XFRM_STATISTICS)"
      : lines.empty()         ? "none in /proc/net/xfrm_stat"
                              : "in /proc/net/xfrm_stat, since the network namespace began:");
  out += lines;
}

std::string verdict_of(const Diagnosis& d) {
  if (d.picked.empty()) return d.why;
  return fmt::format("auto picks {}: {}{}", d.picked, d.why,
                     d.usable() ? "" : "; but this user may not use it: run it as root");
}

}  // namespace

std::string doctor_screen(const Diagnosis& d) {
  const backend::KernelView& kernel = d.kernel;
  std::string out;
  put(out, "Kernel",
      fmt::format("{}; {}", kernel.system,
                  kernel.report.asked ? "it was asked itself" : "not asked: what follows is from the machine's files"));
  for (const Topic& topic : kTopics) put_topic(out, topic, kernel.report.facts);
  put(out, "Offload",
      kernel.offload_devices.empty()
          ? "no device here does ESP itself (esp-hw-offload)"
          : fmt::format("devices that do ESP themselves: {}", joined(kernel.offload_devices)));
  put(out, "This user",
      kernel.may_change ? "may change the kernel's SAs (CAP_NET_ADMIN)"
                        : "may not see or change the kernel's SAs: CAP_NET_ADMIN is missing; run it as root");
  put(out, "Lockdown", lockdown_means(kernel.lockdown));
  put_counters(out, kernel);
  put(out, "SADB", verdict_of(d));
  return out;
}

std::string doctor_json(const Diagnosis& d) {
  using Json = nlohmann::ordered_json;
  Json facts = Json::array(), counters = Json::array();
  for (const KernelFact& fact : d.kernel.report.facts) {
    Json row = {{"topic", fact.topic},
                {"name", fact.name},
                {"answer", kAnswers[static_cast<std::size_t>(fact.presence)].program}};
    if (fact.presence == Presence::missing && !fact.cure.empty()) row["cure"] = fact.cure;
    facts.push_back(std::move(row));
  }
  for (const auto& [name, value] : d.kernel.counters)
    counters.push_back({{"name", name}, {"value", value}, {"meaning", backend::counter_meaning(name)}});
  const Json object = {{"kind", "doctor"},
                       {"sadb", d.picked.empty() ? "none" : d.picked},
                       {"usable", d.usable()},
                       {"why", d.why},
                       {"kernel", d.kernel.system},
                       {"asked", d.kernel.report.asked},
                       {"facts", std::move(facts)},
                       {"offload_devices", d.kernel.offload_devices},
                       {"may_change", d.kernel.may_change},
                       {"lockdown", d.kernel.lockdown.empty() ? "unknown" : d.kernel.lockdown},
                       {"counters", std::move(counters)}};
  return object.dump(-1, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace cli
