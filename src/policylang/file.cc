// 1. read_policy() reads the order, cuts the file into entries (entries.h) and reads each (parse.h).
// 2. Contradictions between two entries are found afterwards: rules about the same packets, and a tunnel with both
//    modes. The fault is shown at the later one.
#include "policylang/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "policy/order.h"
#include "policylang/entries.h"
#include "policylang/parse.h"
#include "policylang/rows.h"
#include "table/syntax.h"
#include "table/words.h"

namespace ipseckey::policylang {
namespace {

using table::Severity;

constexpr std::string_view kOrders = "classes file";  // As policy::Order has them.

FileFault shown(const Entry& entry, const table::Fault& fault, std::string_view name) {
  // The text begins in the middle of a line if it is indented.
  const std::string indented = std::string(entry.column - 1, ' ') + std::string(entry.text);
  table::Fault there = fault;
  there.at += entry.column - 1;
  const table::Origin origin{name, entry.line};
  const table::Position at = position_of(indented, there.at, origin);
  FileFault shown{fault.severity, at.line, at.column, fault.message, {}};
  const bool in_pattern = entry.clauses.empty() || fault.at < entry.clauses[0].action.at;
  render(in_pattern ? kPatternLanguage : kPropertyLanguage, there, indented, origin, true, shown.shown);
  return shown;
}

class FileReader {
 public:
  FileReader(std::string_view text, std::string_view name, const table::Names& names)
      : entries_(text), parser_(names), name_(name) {}

  PolicyFile read() {
    if (auto head = entries_.head()) read_order(*head);
    while (auto entry = entries_.next()) {
      ++file_.entries;
      policy::Rules rules = parser_.parse(*entry);
      for (const table::Fault& fault : entry->faults) show(*entry, fault);
      if (has_errors(entry->faults)) ++file_.wrong;
      for (policy::Rule& rule : rules) file_.rules.push_back(std::move(rule));
      if (!rules.empty()) heads_.emplace(entry->line, head(*entry));
    }
    mixed_tunnels();
    repeated_rules();
    drop_rules();
    std::ranges::stable_sort(file_.faults, [](const FileFault& a, const FileFault& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    return std::move(file_);
  }

 private:
  // An entry whose rules are kept, for what is found later.
  static Entry head(const Entry& entry) {
    Entry copy;
    copy.text = entry.text, copy.line = entry.line, copy.column = entry.column;
    return copy;
  }

  // `order file` or `order classes`.
  void read_order(Entry& entry) {
    std::vector<table::Word> words;
    split(entry.text, words);
    if (words.size() != 2) {
      entry.faults.push_back({Severity::error, 0, static_cast<std::uint32_t>(entry.text.size()),
                              "order needs one word on its line: classes or file"});
    } else if (const auto order = table::one_of(words[1], kOrders, "order")) {
      file_.order = static_cast<policy::Order>(*order);
    } else {
      entry.faults.push_back({Severity::error, words[1].at, static_cast<std::uint32_t>(words[1].text.size()),
                              "Unknown order; expected classes or file"});
    }
    if (!has_errors(entry.faults)) return;
    ++file_.wrong;
    for (const table::Fault& fault : entry.faults) show(entry, fault);
  }

  void show(const Entry& entry, const table::Fault& fault) { file_.faults.push_back(shown(entry, fault, name_)); }

  void fault_at(std::uint32_t line, Severity severity, std::string message) {
    show(heads_.at(line), {severity, 0, 1, std::move(message)});
    if (severity == Severity::error && refused_.insert(line).second) ++file_.wrong;
  }

  void mixed_tunnels() {
    std::map<std::string_view, const policy::Rule*> modes;
    std::set<std::uint32_t> said;
    for (const policy::Rule& rule : file_.rules) {
      if (!rule.tunnel) continue;
      const auto [first, fresh] = modes.try_emplace(rule.tunnel->name, &rule);
      if (fresh || first->second->tunnel->whole_packets == rule.tunnel->whole_packets) continue;
      if (said.insert(rule.line).second)
        fault_at(rule.line, Severity::error,
                 fmt::format("the rule in line {} negotiates the other mode for this tunnel", first->second->line));
    }
  }

  void repeated_rules() {
    std::set<std::pair<std::uint32_t, std::uint32_t>> said;
    for (const auto& [first, second] : duplicates(file_.rules)) {
      const policy::Rule& a = file_.rules[first];
      const policy::Rule& b = file_.rules[second];
      if (a == b) repeated_.insert(second);
      if (!said.insert({a.line, b.line}).second) continue;
      if (a == b) {
        fault_at(b.line, Severity::warning, fmt::format("the same rule is in line {}; this one is ignored", a.line));
      } else {
        fault_at(b.line, Severity::error,
                 fmt::format("the rule in line {} is about the same packets, with another action", a.line));
      }
    }
  }

  void drop_rules() {
    policy::Rules kept;
    for (std::size_t i = 0; i < file_.rules.size(); ++i)
      if (!repeated_.contains(i) && !refused_.contains(file_.rules[i].line)) kept.push_back(std::move(file_.rules[i]));
    file_.rules = std::move(kept);
  }

  Entries entries_;
  EntryParser parser_;
  std::string_view name_;
  PolicyFile file_;
  std::map<std::uint32_t, Entry> heads_;  // By line.
  std::set<std::uint32_t> refused_;       // Lines of entries.
  std::set<std::size_t> repeated_;        // Numbers of rules.
};

}  // namespace

PolicyFile read_policy(std::string_view text, std::string_view name, const table::Names& names) {
  return FileReader(text, name, names).read();
}

FileFault fault_of_entry(std::string_view text, std::string_view name, std::uint32_t line, Severity severity,
                         std::string message) {
  const auto first = std::min(text.find_first_not_of(" \t\r\v\f"), text.size());
  Entry entry;
  entry.line = line;
  entry.column = static_cast<std::uint32_t>(first + 1);
  entry.text = text.substr(first);
  return shown(entry, {severity, 0, 1, std::move(message)}, name);
}

FileFault as_error(FileFault fault) {
  constexpr std::string_view kWarning = ": warning: ";
  if (fault.severity == Severity::error) return fault;
  fault.severity = Severity::error;
  const auto head = fault.shown.find(fmt::format("{}{}", kWarning, fault.message));
  if (head != std::string::npos) fault.shown.replace(head, kWarning.size(), ": error: ");
  return fault;
}

std::string_view order_line(policy::Order order) { return order == policy::Order::file ? "order file" : ""; }

}  // namespace ipseckey::policylang
