#pragma once
/// A command as it should have been written, for the message that rejects it. Keys are masked.
#include <optional>
#include <string>
#include <string_view>

namespace ipseckey::lang {

/// The command on one line, running the other way: the values of its source and its destination swapped, and so its
/// direction, if it says one. nullopt: it does not have both.
std::optional<std::string> with_ends_swapped(std::string_view text);

/// "echo 'TEXT' | ipseckey"; nullopt: the text has a key in it, or something like one, or cannot be quoted.
std::optional<std::string> through_a_pipe(std::string_view text);

}  // namespace ipseckey::lang
