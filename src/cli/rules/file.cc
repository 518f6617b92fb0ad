// 1. read() opens the file as carefully as the mode demands, and reads it as rules.
// 2. Faults are collected: those of reading, and what say() adds. --strict makes errors of warnings, and be_strict()
//    finds what Solaris does not have.
// 3. print() shows them, with a mark under the place if standard error is a terminal.
#include "cli/rules/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/json.h"
#include "pfkey/units.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using table::Severity;

constexpr std::size_t kLongest = std::size_t{64} << 20;  // Bytes; a file of 10,000 rules has one.

Result<std::string> text_of(InputFile& file) {
  std::string text;
  std::array<std::byte, 65536> piece{};
  while (true) {
    const auto got = file.read(piece);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return text;
    for (const std::byte b : std::span(piece).first(*got)) text += static_cast<char>(b);
    if (text.size() > kLongest)
      return fail(Errc::invalid, fmt::format("{} is larger than any file of rules", file.shown()));
  }
}

// What a rule has that Solaris would refuse.
std::string_view own_property(const policy::Rule& rule) {
  if (rule.mark) return "mark";
  if (rule.if_id) return "if_id";
  for (const policy::Alternative& a : rule.alternatives) {
    if (a.protection.reqid) return "reqid";
    if (a.protection.spi) return "spi";
    if (a.protection.ends) return "tsrc";
    if (a.protection.may_be_clear) return "level use";
  }
  return "";
}

}  // namespace

Status RuleFile::read(RuleSession& session, const std::string& path) {
  const RuleSettings& settings = session.settings();
  strict_ = settings.strict, quiet_ = settings.quiet;
  const auto refused = [&](const Error& error) {
    session.console().complain(error.text);
    if (!settings.service) return Status::file;
    return error.code == Errc::denied ? Status::no_privilege : Status::bad_file;
  };
  auto file = InputFile::open(path, session.care(), Pipes::nameless, {}, Holds::rules);
  if (!file) return refused(file.error());
  name_ = file->name();
  auto text = text_of(*file);
  if (!text) return refused(text.error());
  if (!quiet_)
    for (const std::string& reservation : file->reservations())
      session.console().err(fmt::format("{}: warning: {}\n", file->shown(), reservation));
  text_ = std::move(*text);
  for (std::size_t at = 0; at < text_.size(); at = std::min(text_.find('\n', at), text_.size() - 1) + 1)
    lines_.push_back(at);
  policy_ = policylang::read_policy(text_, file->shown(), session.world().names);
  for (policylang::FileFault& fault : policy_.faults) take(std::move(fault));
  policy_.faults.clear();
  if (strict_) be_strict();
  return Status::ok;
}

void RuleFile::be_strict() {
  if (policy_.order == policy::Order::file)
    take(policylang::fault_of_entry(line(1), pfkey::escaped(name_), 1, Severity::error,
                                    "Solaris does not have the line `order file`; --strict refuses it"));
  for (const policy::Rule& rule : policy_.rules)
    if (const auto own = own_property(rule); !own.empty())
      say(rule, Severity::error, fmt::format("Solaris does not have {}; --strict refuses it", own));
}

std::string_view RuleFile::line(std::uint32_t number) const {
  if (number == 0 || number > lines_.size()) return {};
  const std::string_view rest = std::string_view(text_).substr(lines_[number - 1]);
  return rest.substr(0, rest.find('\n'));
}

void RuleFile::take(policylang::FileFault fault) {
  if (strict_) fault = as_error(std::move(fault));
  if (quiet_ && fault.severity == Severity::warning) return;
  if (!said_.insert({fault.line, fault.message}).second) return;
  if (fault.severity == Severity::error) ++errors_;
  faults_.push_back(std::move(fault));
}

void RuleFile::say(const policy::Rule& rule, Severity severity, std::string message) {
  const std::string shown = pfkey::escaped(name_);
  if (rule.line != 0)
    return take(policylang::fault_of_entry(line(rule.line), shown, rule.line, severity, std::move(message)));
  say(severity, fmt::format("{}: {}", policylang::write_rule(rule), message));
}

void RuleFile::say(Severity severity, std::string message) {
  const std::string_view word = severity == Severity::error ? "error" : "warning";
  std::string shown = fmt::format("{}: {}: {}\n", pfkey::escaped(name_), word, message);
  take({severity, 0, 0, std::move(message), std::move(shown)});
}

void RuleFile::print(RuleSession& session, bool checked) {
  std::ranges::stable_sort(
      faults_, [](const auto& a, const auto& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); });
  Console& console = session.console();
  std::vector<JsonObject> rows;
  for (const policylang::FileFault& fault : faults_) {
    console.err(console.marks() ? std::string_view(fault.shown)
                                : std::string_view(fault.shown).substr(0, fault.shown.find('\n') + 1));
    JsonObject& row = rows.emplace_back();
    row.put("severity", fault.severity == Severity::error ? "error" : "warning");
    row.put("line", fault.line);
    row.put("column", fault.column);
    row.put("message", fault.message);
  }
  if (session.settings().json && (checked || errors_ > 0)) {
    JsonObject report;
    report.put("kind", "rule-check");
    report.put("sadb", session.spd_name());
    report.put("file", name_);
    report.put("entries", std::uint64_t{policy_.entries});
    report.put("rules", std::uint64_t{policy_.rules.size()});
    report.put("errors", std::uint64_t{errors_});
    report.put("faults", std::move(rows));
    console.out(report.line());
  }
  faults_.clear();
  errors_ = 0;
}

Status RuleFile::refuse(RuleSession& session) {
  const std::size_t errors = errors_;
  print(session, false);
  session.console().complain(
      fmt::format("{}: {} error{}; nothing was changed", pfkey::escaped(name_), errors, errors == 1 ? "" : "s"));
  return session.wrong_file();
}

}  // namespace ipseckey::cli
