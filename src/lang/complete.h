#pragma once
/// What can follow the beginning of a command: for the Tab key and for help in the middle of a command. Read off the
/// tables of commands, keywords and algorithms.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey::lang {

/// What the last word of a text can become.
struct Completion {
  std::size_t at = 0;                   ///< Offset of the word that is being typed; the text's size: a new one starts.
  std::vector<std::string_view> words;  ///< In the order of the tables; of synonyms the first one if it fits.
  bool file = false;                    ///< The name of a file can follow here.
};

/// `text` is a command up to the cursor, continued lines included. Only what the command takes, what was not given yet
/// and what starts like the last word; words that are read in any case are found in any case.
Completion complete(std::string_view text);

/// What can follow `text`, explained, for a person. No part of the text is repeated.
std::string help_here(std::string_view text);

/// The command before the question, if its last word is `?`, or `help` where no free text is expected. nullopt: it asks
/// nothing, or is the command `help` itself.
std::optional<std::string_view> asks_what_follows(std::string_view text);

}  // namespace ipseckey::lang
