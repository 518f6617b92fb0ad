#include "lang/commands.h"

#include <array>

#include "base/text.h"
#include "pfkey/names.h"

namespace ipseckey::lang {
namespace {

using pfkey::Type;

constexpr std::array kTable = {
    CommandRow{Verb::add, "add", Type::add, SaTypeRule::specific, Operands::extensions, kNotShell,
               "ah|esp EXTENSION VALUE ...", "Add an SA."},
    CommandRow{Verb::update, "update", Type::update, SaTypeRule::specific, Operands::extensions, kNotShell,
               "ah|esp EXTENSION VALUE ...", "Change the limits, the pair or the replay value of an SA."},
    CommandRow{Verb::update_pair, "update-pair", Type::x_updatepair, SaTypeRule::specific, Operands::extensions,
               kNotShell, "ah|esp EXTENSION VALUE ...", "Update an SA and the one it is paired with."},
    CommandRow{Verb::del, "delete", Type::del, SaTypeRule::specific, Operands::extensions, kAnywhere,
               "ah|esp spi N dst ADDRESS", "Delete an SA; its pair, if any, stays and becomes unpaired."},
    CommandRow{Verb::delete_pair, "delete-pair", Type::x_delpair, SaTypeRule::specific, Operands::extensions, kAnywhere,
               "ah|esp spi N dst ADDRESS", "Delete an SA and the one it is paired with."},
    CommandRow{Verb::get, "get", Type::get, SaTypeRule::specific, Operands::extensions, kAnywhere,
               "ah|esp spi N dst ADDRESS", "Show an SA, keys included."},
    CommandRow{Verb::flush, "flush", Type::flush, SaTypeRule::optional, Operands::none, kAnywhere, "[all|ah|esp]",
               "Delete all SAs, or all of one type."},
    CommandRow{Verb::dump, "dump", Type::dump, SaTypeRule::optional, Operands::none, kNotFile, "[all|ah|esp]",
               "Show all SAs, or all of one type, keys included."},
    CommandRow{Verb::count, "count", Type::dump, SaTypeRule::optional, Operands::none, kNotFile, "[all|ah|esp]",
               "Count all SAs, or those of one type, by type and state."},
    CommandRow{Verb::save, "save", Type::dump, SaTypeRule::required, Operands::optional_file, kNotFile,
               "all|ah|esp [FILE|-]", "Write the SAs as commands that load reads; without FILE to standard output."},
    CommandRow{Verb::load, "load", Type::reserved, SaTypeRule::none, Operands::file, kNotFile, "FILE|-",
               "Run the commands of a file."},
    CommandRow{
        Verb::apply, "apply", Type::reserved, SaTypeRule::none, Operands::file, kNotFile,
        "[--dry-run] [--all] [--flush-first] [--owner=NAME] FILE|-",
        "Make the SADB match a file: add, change and remove SAs that differ, leave the rest untouched.",
        "--dry-run --all --flush-first --owner=",
        "--dry-run prints the plan and changes nothing. --all also removes SAs that did not come from this file. "
        "--flush-first flushes the SADB and adds everything. --owner=NAME records NAME instead of the file's "
        "path as the owner of the SAs."},
    CommandRow{
        Verb::unload, "unload", Type::reserved, SaTypeRule::none, Operands::file, kNotFile,
        "[--dry-run] [--owner=NAME] FILE|-", "Delete the SAs that apply or the service added from a file.",
        "--dry-run --owner=",
        "--dry-run prints what would be removed. --owner=NAME removes the SAs of that owner; FILE is then ignored "
        "but must be given."},
    CommandRow{Verb::monitor, "monitor", Type::x_promisc, SaTypeRule::none, Operands::none, kNotFile, "",
               "Show every PF_KEY message as it arrives, until interrupted."},
    CommandRow{Verb::passive_monitor, "passive_monitor pmonitor", Type::reserved, SaTypeRule::none, Operands::none,
               kNotFile, "", "Show the PF_KEY messages that every listener receives, until interrupted."},
    CommandRow{Verb::doctor, "doctor", Type::reserved, SaTypeRule::none, Operands::none, kNotFile, "",
               "Report what the kernel supports for IPsec, what this user may do, and why packets were dropped."},
    CommandRow{Verb::genkey, "genkey", Type::reserved, SaTypeRule::none, Operands::algorithm, kNotFile,
               "[ALGORITHM [BITS]]",
               "Print a new random key for an algorithm, with its salt, of BITS bits or the greatest length; without "
               "ALGORITHM, print the key extensions of an SA with the algorithms recommended for manual keys."},
    CommandRow{
        Verb::fresh, "fresh", Type::reserved, SaTypeRule::none, Operands::none, kNotShell, "",
        "Declare that the keys that follow have never been used: no warnings about counter modes and replay windows."},
    CommandRow{Verb::help, "help ?", Type::reserved, SaTypeRule::none, Operands::topic, kNotFile, "[COMMAND|attr]",
               "Explain the commands, one command, or (attr) the extensions."},
    CommandRow{Verb::quit, "quit exit", Type::reserved, SaTypeRule::none, Operands::none, kAnywhere, "",
               "End the session; in a file, stop reading."},
};

consteval bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].verb) != i || kTable[i].help.back() != '.') return false;
  return kTable.size() == kVerbs;
}
static_assert(in_order(), "one row for each Verb, in its order, with a sentence of help");

}  // namespace

std::span<const CommandRow> commands() { return kTable; }

const CommandRow& row(Verb verb) { return kTable[static_cast<std::size_t>(verb)]; }

const CommandRow* find_command(std::string_view name) {
  for (const CommandRow& r : kTable)
    if (text::list_has_exactly(r.names, name)) return &r;
  return nullptr;
}

std::optional<pfkey::SaType> find_satype(std::string_view word) {
  if (text::same_word(word, "esp")) return pfkey::SaType::esp;
  if (text::same_word(word, "ah")) return pfkey::SaType::ah;
  if (text::same_word(word, "all")) return pfkey::SaType::unspec;
  return std::nullopt;
}

std::string_view satype_word(pfkey::SaType type) {
  const pfkey::Word* const word = pfkey::find_word(pfkey::satype_words(), static_cast<std::uint8_t>(type));
  return word ? word->name() : "all";
}

}  // namespace ipseckey::lang
