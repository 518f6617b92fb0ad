#include "kernel/detail/owned_rules.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include "kernel/detail/rule_record.h"

namespace ipseckey::kernel {
namespace {

enum Sql : std::size_t { kPlace, kRules, kPolicies, kPutPlace, kPutRule, kPutPolicy, kNoPlace, kNoRules, kNoPolicies };
constexpr std::array kSql = {
    "SELECT name FROM place",
    "SELECT number, line, content FROM rule ORDER BY position",
    "SELECT content, rule, number FROM policy",
    "INSERT INTO place VALUES(?)",
    "INSERT INTO rule VALUES(?,?,?,?)",
    "INSERT INTO policy VALUES(?,?,?)",
    "DELETE FROM place",
    "DELETE FROM rule",
    "DELETE FROM policy",
};

constexpr const char* kSetUp =
    "CREATE TABLE IF NOT EXISTS place(name TEXT);"
    "CREATE TABLE IF NOT EXISTS rule(position INTEGER PRIMARY KEY, number INT, line INT, content BLOB);"
    "CREATE TABLE IF NOT EXISTS policy(content BLOB, rule INT, number INT)";

}  // namespace

OwnedRules::OwnedRules(std::string path)
    : store_({std::move(path), "the record of which of the kernel's policies are ours", kSetUp, kSql}) {}

Result<Owned> OwnedRules::read(const std::string& place) {
  Owned owned;
  store_.look_again();
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return owned;
  using Step = backend::Store::Step;
  {
    backend::Store::Statement query = store_.statement(kPlace);
    const Step step = query.step();
    if (step == Step::failed) return store_.trouble("cannot be read");
    if (step == Step::done || query.text(0) != place) return owned;
  }
  backend::Store::Statement rules = store_.statement(kRules);
  Step step = rules.step();
  for (; step == Step::row; step = rules.step()) {
    auto rule = rule_of(rules.text(2));
    if (!rule) continue;
    rule->line = static_cast<std::uint32_t>(rules.number(1));
    owned.rules.push_back({static_cast<std::uint32_t>(rules.number(0)), std::move(*rule)});
  }
  if (step == Step::failed) return store_.trouble("cannot be read");
  backend::Store::Statement policies = store_.statement(kPolicies);
  for (step = policies.step(); step == Step::row; step = policies.step())
    if (auto name = name_of(policies.text(0)))
      owned.policies.emplace(*name, OwnedPolicy{static_cast<std::uint32_t>(policies.number(1)),
                                                static_cast<std::uint32_t>(policies.number(2))});
  if (step == Step::failed) return store_.trouble("cannot be read");
  return owned;
}

Result<void> OwnedRules::write(const std::string& place, const Owned& owned) {
  if (auto opened = store_.open(true); !opened) return std::unexpected(opened.error());
  if (auto begun = store_.begin(); !begun) return begun;
  for (const Sql query : {kNoPlace, kNoRules, kNoPolicies}) {
    backend::Store::Statement statement = store_.statement(query);
    if (auto done = store_.run(statement); !done) return done;
  }
  {
    backend::Store::Statement statement = store_.statement(kPutPlace);
    statement.bind(place);
    if (auto done = store_.run(statement); !done) return done;
  }
  std::uint64_t position = 0;
  for (const OwnedRule& r : owned.rules) {
    backend::Store::Statement statement = store_.statement(kPutRule);
    for (const std::uint64_t v : {++position, std::uint64_t{r.index}, std::uint64_t{r.rule.line}}) statement.bind(v);
    statement.bind(record_of(r.rule));
    if (auto done = store_.run(statement); !done) return done;
  }
  for (const auto& [name, p] : owned.policies) {
    backend::Store::Statement statement = store_.statement(kPutPolicy);
    statement.bind(record_of(name));
    for (const std::uint64_t v : {p.rule, p.index}) statement.bind(v);
    if (auto done = store_.run(statement); !done) return done;
  }
  return store_.commit();
}

std::string owned_rules_path() {
  struct stat info{};
  ::stat("/proc/self/ns/net", &info);
  return fmt::format("/run/ipseckey/policies-{}.db", info.st_ino);
}

}  // namespace ipseckey::kernel
