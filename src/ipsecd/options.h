#pragma once
/// What ipsecd is told on its command line.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ipsecd {

struct Options {
  enum class Do { serve, help, version };

  Do what = Do::serve;
  std::optional<std::string> socket;  ///< --socket PATH; nullopt: the default one.
};

/// Reads the words after the program's name. Error syntax: what is wrong and what is expected.
Result<Options> parse_options(std::span<const std::string_view> words);

/// The text of --help.
std::string_view help_text();

}  // namespace ipsecd
