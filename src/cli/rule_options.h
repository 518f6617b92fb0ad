#pragma once
/// The options and commands of `ipsecconf`, the same program under another name: Solaris' letters, and words.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/options.h"

namespace ipseckey::cli {

/// What `ipsecconf` does. With flush or flush_all, add and check mean the rules that remain then.
enum class RuleDo : std::uint8_t {
  show,  ///< Without options: the rules that are ours.
  add,
  check,
  apply,
  unload,
  flush,
  flush_all,
  remove,       ///< By index.
  remove_file,  ///< Those of a file.
  list,         ///< The host's, or a tunnel's.
  list_all,
  explain,
  doctor,
  monitor,
  prove,
  help,
  version,
};

/// How to do it.
struct RuleSettings {
  bool numeric = false;    ///< -n: as always, numbers are printed.
  bool quiet = false;      ///< -q
  bool verbose = false;    ///< -v
  bool json = false;       ///< --json
  bool dry_run = false;    ///< --dry-run
  bool strict = false;     ///< --strict
  bool force = false;      ///< --force
  bool guards = false;     ///< --guards
  bool service = false;    ///< --service
  bool respond = false;    ///< --respond
  std::string sadb;        ///< --sadb, IPSECKEY_SADB; empty: not given, so `auto`.
  std::string tunnel;      ///< -i
  std::string rules_file;  ///< --file
  std::string rule;        ///< --rule: an index.
  std::string peer;        ///< --peer: an address.

  std::string where() const { return sadb.empty() ? "auto" : sadb; }
};

struct RuleOptions {
  RuleDo what = RuleDo::show;
  bool flush = false, flush_all = false;  ///< Given together with -a or -c: what is held is replaced.
  RuleSettings settings;
  std::string argument;               ///< Of -a, -c, -r and of apply, check and prove: a FILE; of -d: an INDEX.
  std::vector<std::string> operands;  ///< Of explain and help.
};

/// Reads the arguments (without the program's name). The error (syntax) says what is wrong.
Result<RuleOptions> parse_rule_options(std::vector<std::string> arguments, const char* sadb_from_environment);

/// A word of the arguments for a message: harmless on a terminal, and not a piece of a key.
std::string shown_word(std::string_view word);

/// Every option, in the order of help.
std::vector<OptionText> rule_option_texts();

/// What follows a command's word.
enum class RuleOperands : std::uint8_t { none, file, optional_file, packet };

/// A command as help, the manual page and the completions show it.
struct RuleCommandText {
  std::string_view name;
  std::string_view arguments;
  std::string options;  ///< Those that it takes, long names separated by blanks; with a value they end in =.
  RuleOperands operands;
  std::string_view help;
};
std::vector<RuleCommandText> rule_command_texts();

/// The text of --help and of `help`.
std::string rule_usage();

}  // namespace ipseckey::cli
