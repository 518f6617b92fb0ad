#pragma once
/// THE table of commands.
#include <cstdint>
#include <span>
#include <string_view>

#include "pfkey/message.h"

namespace ipseckey::lang {

enum class Verb : std::uint8_t {
  add,
  update,
  update_pair,
  del,
  delete_pair,
  get,
  flush,
  dump,
  count,
  save,
  load,
  apply,
  unload,
  monitor,
  passive_monitor,
  doctor,
  genkey,
  fresh,
  help,
  quit
};
inline constexpr std::size_t kVerbs = static_cast<std::size_t>(Verb::quit) + 1;

/// A set of verbs, as the keyword table uses it.
using Verbs = std::uint32_t;
constexpr Verbs bit(Verb v) { return Verbs{1} << static_cast<unsigned>(v); }
inline constexpr Verbs kWriters = bit(Verb::add) | bit(Verb::update) | bit(Verb::update_pair);
inline constexpr Verbs kFinders = bit(Verb::del) | bit(Verb::delete_pair) | bit(Verb::get);

/// Where a command came from.
enum class Where : std::uint8_t {
  shell = 1,   ///< The program's operands, which every user of the machine can see.
  prompt = 2,  ///< A terminal, or a pipe into a bare `ipseckey`.
  file = 4,    ///< -f, -c, load.
};
inline constexpr std::uint8_t kAnywhere = 7, kNotShell = 6, kNotFile = 3;

enum class SaTypeRule : std::uint8_t {
  none,      ///< The command takes no SA type.
  specific,  ///< ah or esp.
  optional,  ///< all, ah or esp; none means all.
  required,  ///< all, ah or esp.
};

/// What may follow the SA type.
enum class Operands : std::uint8_t { none, extensions, optional_file, file, topic, algorithm };

struct CommandRow {
  Verb verb;
  std::string_view names;  ///< Synonyms, separated by blanks.
  pfkey::Type message;     ///< What is sent; reserved: nothing.
  SaTypeRule satype;
  Operands operands;
  std::uint8_t allowed;           ///< Where bits.
  std::string_view arguments;     ///< For help.
  std::string_view help;          ///< One sentence.
  std::string_view options = {};  ///< Words that may precede the operand, separated by blanks; = at their
                                  ///< end: they take a value.
  std::string_view more = {};     ///< What they do, in sentences, for help of this command.

  std::string_view name() const { return names.substr(0, names.find(' ')); }
  bool has_keys() const { return operands == Operands::extensions; }  ///< Its operands may be keys.
  bool allowed_from(Where where) const { return (allowed & static_cast<std::uint8_t>(where)) != 0; }
};

/// In the order of Verb.
std::span<const CommandRow> commands();
const CommandRow& row(Verb verb);
/// nullptr: no such command. Case-sensitive, no abbreviations.
const CommandRow* find_command(std::string_view name);

/// "ah", "esp" or "all" in any case; nullopt: none of them.
std::optional<pfkey::SaType> find_satype(std::string_view word);
inline constexpr std::string_view kSaTypeWords = "all ah esp";
/// The word for an SA type: "all" for 0.
std::string_view satype_word(pfkey::SaType type);

}  // namespace ipseckey::lang
