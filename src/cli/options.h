#pragma once
/// The options of ipseckey's command line.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ipseckey::cli {

/// How to do it.
struct Settings {
  bool numeric = false;        ///< -n
  bool paranoid = false;       ///< -p
  bool verbose = false;        ///< -v
  bool stop_on_error = false;  ///< --stop-on-error
  bool strict = false;         ///< --strict
  bool fresh_keys = false;     ///< --fresh-keys
  bool json = false;           ///< --json
  bool service = false;        ///< --service
  std::string sadb = "auto";   ///< --sadb, IPSECKEY_SADB
};

/// What to do.
struct Options {
  enum class Do { interact, command, load, check, save, help, version };

  Do what = Do::interact;
  Settings settings;
  std::string file;                   ///< Of load, check and save.
  std::vector<std::string> operands;  ///< Of command.
};

/// Reads the program's arguments (without its name). The error (syntax) says what is wrong.
Result<Options> parse_options(std::vector<std::string> arguments, const char* sadb_from_environment);

/// One option as help, the manual page and the shells' completion show it.
struct OptionText {
  char letter;             ///< '\0': none.
  std::string_view name;   ///< Without the dashes.
  std::string_view value;  ///< Its name in help; empty: the option takes none.
  std::string_view help;
};
/// Every option, in the order of help.
std::vector<OptionText> option_texts();

/// The text of --help.
std::string usage();

}  // namespace ipseckey::cli
