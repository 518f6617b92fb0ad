#pragma once
/// Help, printed from the tables of commands and keywords.
#include <string>
#include <string_view>

namespace ipseckey::lang {

/// `help`: every command with its arguments and sentence.
std::string help_overview();
/// `help TOPIC`: one command in full (with the extensions it takes), or `attr`: every extension; or one extension.
/// Empty: there is no such topic.
std::string help_topic(std::string_view topic);

}  // namespace ipseckey::lang
