#pragma once
/// What the Tab key does: the language's completion, with the names of files where it wants one.
#include <string>
#include <string_view>

#include "cli/prompt/editor.h"

namespace ipseckey::cli {

/// `before`: the lines of the command above this one, with their newlines. A word that can be one thing only is
/// finished; else as much of it as is certain is; where nothing is, the possibilities are shown, or what the value
/// means.
Editor::Help complete_line(std::string_view before, std::string_view line, std::size_t columns);

}  // namespace ipseckey::cli
