#pragma once
/// Turns the text of one command into a Command, or reports every fault in it.
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lang/faults.h"
#include "lang/keywords.h"
#include "lang/language.h"
#include "lang/neighbours.h"
#include "lang/rules.h"
#include "pfkey/algorithms.h"
#include "table/pairs.h"

namespace ipseckey::lang {

/// A command that was understood.
struct Command {
  Command() {}  ///< Not `= default`: `Command()` would clear every octet before it sets those that are read.

  const CommandRow* row = nullptr;
  pfkey::SaType satype{};  ///< unspec: all, or none given.
  SaSpec spec;
  std::string operand;                          ///< The file of save and load, the topic of help; empty: none.
  std::vector<std::string_view> options = {};   ///< Those of row->options that were given.
  std::string owner = {};                       ///< Of apply and unload, by their one option with a value.
  const pfkey::Algorithm* algorithm = nullptr;  ///< Of genkey; null: those that are recommended.
  std::uint16_t bits = 0;                       ///< Of genkey: the key's length without salt, which fits the algorithm.

  bool has(std::string_view option) const { return std::ranges::find(options, option) != options.end(); }
};

/// Parses commands, one after another. The text is the caller's and need only live until parse() returns.
class Parser : private table::Pairs {
 public:
  explicit Parser(const Names& names) : Pairs(language(), names) {}

  /// The keys from now on have never been used (`fresh`).
  void keys_are_fresh() { fresh_ = true; }

  /// nullopt: nothing to do (a blank line) or has_errors(faults()). Warnings may come with a command.
  std::optional<Command> parse(std::string_view text, Where where);

  /// Of the last parse(), in the order of the text.
  using Pairs::faults;

  /// The place of a keyword (any synonym) in the last text; of the command's first word if it is not there.
  Fault place(Objection&& objection) const;

 private:
  bool parse_head(Command& command, Where where, std::string_view text);
  void parse_satype(Command& command);
  void parse_operands(Command& command);
  void parse_options(Command& command);
  void parse_algorithm(Command& command);
  void parse_extensions(Command& command);
  void check(const Command& command);
  std::string near_to(Foreign kind, const Word& word, std::span<const std::string_view> candidates) const;

  bool fresh_ = false;
};

/// The same for any text that parse() would take.
Fault place(std::string_view text, Objection&& objection);

}  // namespace ipseckey::lang
