#pragma once
/// What ipseckey is told on its command line.
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace cli {

/// How to do what is asked.
struct Settings {
  bool numeric = false;        ///< -n
  bool paranoid = false;       ///< -p
  bool verbose = false;        ///< -v
  bool stop_on_error = false;  ///< --stop-on-error
  bool strict = false;         ///< --strict
  bool json = false;           ///< --json
  std::string sadb = "auto";   ///< --sadb, IPSECKEY_SADB
};

/// What is asked.
struct Options {
  enum class Do { interact, command, load, check, save, help, version };

  Do what = Do::interact;
  Settings settings;
  std::string file;                   ///< Of load, check and save.
  std::vector<std::string> operands;  ///< Of command.
};

/// Reads the program's arguments (without its name). The error (syntax) says what is wrong.
Result<Options> parse_options(std::vector<std::string> arguments, const char* sadb_from_environment);

/// The text of --help.
std::string usage();

}  // namespace cli
