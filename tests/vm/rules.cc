// For the cases: the kernel's rules, without the command around them. It answers a case's questions line by line.
//
// usage: rules apply FILE     makes the rules of FILE those of the kernel; one line for each rule: + added, - removed,
//                             then "N kept"
//        rules plan FILE      the same, and changes nothing
//        rules check FILE     what the kernel does otherwise: "LINE refused|remark TEXT"
//        rules list           one line for each rule: NUMBER ours|foreign RULE, then its policies and remarks, indented
//        rules explain FILE   flows from standard input, "out|in LOCAL REMOTE PROTOCOL [PORT PORT | TYPE CODE]", and
//        for each
//                             what the rules do with it: clear, discard, or protect or protect_or_clear and the headers
// The rules are tried in the order of the file. The exit status is 1 after an error, which is on standard error.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "api/open.h"
#include "pfkey/icmp.h"
#include "policy/match.h"
#include "policylang/file.h"
#include "policylang/write.h"

namespace {

using namespace ipseckey;

int complain(const std::string& text) {
  fmt::print(stderr, "{}\n", text);
  return 1;
}

table::Names no_names() {
  table::Names names;
  names.hosts = [](const std::string& name) -> Result<std::vector<Address>> {
    return fail(Errc::not_found, name + ": the cases name no hosts");
  };
  names.protocol = [](const std::string&) { return std::nullopt; };
  names.port = [](const std::string&) { return std::nullopt; };
  return names;
}

Result<policy::Rules> read(const std::string& path) {
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  policylang::PolicyFile file = policylang::read_policy(text, path, no_names());
  std::string faults;
  for (const policylang::FileFault& fault : file.faults)
    if (fault.severity == table::Severity::error) faults += fault.shown + "\n";
  if (!faults.empty()) return fail(Errc::syntax, faults);
  return std::move(file.rules);
}

int change(backend::Spd& spd, const policy::Rules& rules, backend::Spd::Extent extent) {
  const auto changes = spd.replace(rules, extent);
  if (!changes) return complain(changes.error().text);
  for (const backend::HeldRule& rule : changes->added)
    fmt::print("+ {} {}\n", rule.index, policylang::write_rule(rule.rule));
  for (const backend::HeldRule& rule : changes->removed)
    fmt::print("- {} {}\n", rule.index, policylang::write_rule(rule.rule));
  fmt::print("{} kept\n", changes->kept);
  return 0;
}

int check(backend::Spd& spd, const policy::Rules& rules) {
  const auto remarks = spd.check(rules);
  if (!remarks) return complain(remarks.error().text);
  for (const backend::RuleRemark& remark : *remarks)
    fmt::print("{} {} {}\n", rules[remark.rule].line, remark.refused ? "refused" : "remark", remark.message);
  return 0;
}

int list(backend::Spd& spd) {
  const auto rules = spd.list();
  if (!rules) return complain(rules.error().text);
  for (const backend::HeldRule& rule : *rules) {
    fmt::print("{} {} {}\n", rule.index, rule.foreign ? "foreign" : "ours", policylang::write_rule(rule.rule));
    for (const backend::KernelPolicy& p : rule.policies) fmt::print("  {} {} {}\n", p.index, p.priority, p.text);
    for (const std::string& remark : rule.remarks) fmt::print("  # {}\n", remark);
  }
  return 0;
}

int explain(const policy::Rules& rules) {
  static constexpr std::array kOutcomes = {"clear", "protect", "protect_or_clear", "discard"};
  std::vector<std::size_t> tried(rules.size());
  std::iota(tried.begin(), tried.end(), std::size_t{0});
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string way, local, remote;
    unsigned protocol = 0, first = 0, second = 0;
    words >> way >> local >> remote >> protocol;
    policy::Flow flow;
    flow.local = parse_address(local).value_or(Address{}), flow.remote = parse_address(remote).value_or(Address{});
    flow.protocol = static_cast<std::uint8_t>(protocol);
    if (words >> first >> second) {
      if (pfkey::is_icmp(flow.protocol)) {
        flow.icmp_type = static_cast<std::uint8_t>(first), flow.icmp_code = static_cast<std::uint8_t>(second);
      } else {
        flow.local_port = static_cast<std::uint16_t>(first), flow.remote_port = static_cast<std::uint16_t>(second);
      }
    }
    const auto direction = way == "out" ? policy::Direction::out : policy::Direction::in;
    const auto found = policy::match(rules, tried, flow, direction);
    const auto outcome = found ? policy::outcome(rules[*found], direction) : policy::Outcome::clear;
    fmt::print("{}", kOutcomes[static_cast<std::size_t>(outcome)]);
    const policy::Protection p = found ? rules[*found].alternatives[0].protection : policy::Protection();
    fmt::print("{}{}\n", p.ah ? " ah" : "", p.esp() ? " esp" : "");
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.empty()) return complain("usage: rules apply|plan|check|explain FILE | rules list");
  auto rules = arguments.size() > 1 ? read(arguments[1]) : policy::Rules();
  if (!rules) return complain(rules.error().text);
  if (arguments[0] == "explain") return explain(*rules);
  auto spd = api::open_spd("kernel", api::surroundings());
  if (!spd) return complain(spd.error().text);
  if (arguments[0] == "apply") return change(**spd, *rules, backend::Spd::Extent::carry_out);
  if (arguments[0] == "plan") return change(**spd, *rules, backend::Spd::Extent::plan);
  if (arguments[0] == "check") return check(**spd, *rules);
  return list(**spd);
}
