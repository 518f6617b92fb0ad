#pragma once
/// A file of rules, and all faults and remarks about it.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/rules/session.h"
#include "policylang/file.h"

namespace ipseckey::cli {

class RuleFile {
 public:
  /// Reads it. ok: it was read, whatever is in it; else the error has been printed.
  Status read(RuleSession& session, const std::string& path);

  const std::string& name() const { return name_; }  ///< "<stdin>" for standard input.
  const policylang::PolicyFile& policy() const { return policy_; }

  /// Adds a fault of the entry that the rule came from; a rule that came from none (line 0) is written out. Under
  /// --strict a warning is an error; with -q it is left out.
  void say(const policy::Rule& rule, table::Severity severity, std::string message);
  /// Adds one of the whole file.
  void say(table::Severity severity, std::string message);

  std::size_t errors() const { return errors_; }
  std::size_t warnings() const { return faults_.size() - errors_; }
  /// All faults so far on standard error, in the order of the file, and under --json as a report of kind rule-check.
  /// Then they are forgotten. `checked`: the report is printed though there is no error.
  void print(RuleSession& session, bool checked);
  /// The same before a change that the errors prevent; returns its status.
  Status refuse(RuleSession& session);

 private:
  void take(policylang::FileFault fault);
  void be_strict();
  std::string_view line(std::uint32_t number) const;

  std::string name_, text_;
  std::vector<std::size_t> lines_;                             // Where each begins.
  std::set<std::pair<std::uint32_t, std::string>> said_ = {};  // An entry with many addresses has one fault of a kind.
  policylang::PolicyFile policy_;
  bool strict_ = false, quiet_ = false;
  std::vector<policylang::FileFault> faults_;
  std::size_t errors_ = 0;
};

}  // namespace ipseckey::cli
