#pragma once
/// How a template writes a field.
#include <string>
#include <string_view>

namespace ipseckey::texts {

/// A filter converts a field's text to the syntax of the template's language.
struct Filter {
  std::string_view name;
  std::string (*apply)(std::string_view);
};

///   mdoc      text for a manual page
///   sentence  the same, from a capital letter to a full stop
///   args      "[FILE|-] NUMBER" as macros of mdoc, for a macro line
///   list      words separated by blanks, as a list with commas, for a macro line
///   lines     sentence broken into lines: the breaks become blanks
///   sh        for use between single quotes of a shell
///   fish      the same for fish
///   cases     words as the pattern of a case of a shell
///   zsh       a description between brackets, between single quotes of zsh
/// nullptr: there is no such filter.
const Filter* find_filter(std::string_view name);

}  // namespace ipseckey::texts
