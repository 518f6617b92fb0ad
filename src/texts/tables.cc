// The programs' tables as rows of named texts, for the templates of manual pages and completions:
// 1. program_tables() names them: commands, keywords, algorithms, options and exit statuses of both programs,
//    diagnostics, causes.
// 2. Each function below loops over one table of the programs and makes rows with a text for each field.
//    Those of ipsecconf and of the language of rules are named rule-....
// 3. option() adds to an option the facts that shells need.
// 4. lists() has the few lists that are built from several rows.
#include "texts/tables.h"

#include <fmt/format.h>

#include "api/open.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/rule_options.h"
#include "cli/status.h"
#include "ipsecd/exit.h"
#include "ipsecd/options.h"
#include "lang/complete.h"
#include "lang/cursor_context.h"
#include "lang/keywords.h"
#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "policylang/icmp_names.h"
#include "policylang/packet.h"
#include "policylang/rows.h"
#include "traffic/cause.h"

namespace ipseckey::texts {
namespace {

std::string yes(bool is_so) { return is_so ? "yes" : "no"; }

void add_word(std::string& list, std::string_view word) {
  if (!list.empty()) list += ' ';
  list += word;
}

// "-f FILE , --file=FILE"
std::string flags(std::string_view letter, std::string_view name, std::string_view value) {
  std::string text;
  if (!letter.empty()) text = fmt::format("-{}{}{} , ", letter, value.empty() ? "" : " ", value);
  return fmt::format("{}--{}{}{}", text, name, value.empty() ? "" : "=", value);
}

std::string_view text_of(lang::Operands operands) {
  switch (operands) {
    case lang::Operands::none:
      return "none";
    case lang::Operands::extensions:
      return "extensions";
    case lang::Operands::optional_file:
    case lang::Operands::file:
      return "file";
    case lang::Operands::topic:
      return "topic";
    case lang::Operands::algorithm:
      return "algorithm";
  }
  return {};
}

std::vector<Row> commands() {
  std::vector<Row> rows;
  for (const lang::CommandRow& c : lang::commands()) {
    std::string used, required;
    if (c.operands == lang::Operands::extensions)
      for (const lang::Keyword& k : lang::keywords()) {
        if ((k.used & bit(c.verb)) != 0) add_word(used, k.name());
        if ((k.required & bit(c.verb)) != 0) add_word(required, k.name());
      }
    rows.push_back({{"name", std::string(c.name())},
                    {"names", std::string(c.names)},
                    {"arguments", std::string(c.arguments)},
                    {"help", std::string(c.help)},
                    {"options", std::string(c.options)},
                    {"satypes", c.satype == lang::SaTypeRule::none ? "" : std::string(lang::satypes_for(c))},
                    {"operands", std::string(text_of(c.operands))},
                    {"keywords", used},
                    {"required", required},
                    {"shell", yes(c.allowed_from(lang::Where::shell))},
                    {"file", yes(c.allowed_from(lang::Where::file))}});
  }
  return rows;
}

std::string names_of(lang::Verbs verbs) {
  std::string names;
  for (const lang::CommandRow& c : lang::commands())
    if ((verbs & bit(c.verb)) != 0) add_word(names, c.name());
  return names;
}

// The commands that are allowed in one place, with all their names.
Row commands_from(lang::Where where, std::string_view list) {
  std::string names;
  for (const lang::CommandRow& c : lang::commands())
    if (c.allowed_from(where)) add_word(names, c.names);
  return {{"name", std::string(list)}, {"words", names}};
}

std::vector<Row> lists() {
  return {commands_from(lang::Where::shell, "shell"),
          commands_from(lang::Where::file, "file"),
          {{"name", "writers"}, {"words", names_of(lang::kWriters)}},
          {{"name", "sadbs"}, {"words", std::string(api::kPlaces)}}};
}

std::vector<Row> keywords() {
  std::vector<Row> rows;
  for (const lang::Keyword& k : lang::keywords()) {
    std::string names, values;
    lang::for_each_name(k, [&](std::string_view name) { add_word(names, name); });
    if (k.used != 0)
      for (const std::string_view word : lang::complete(fmt::format("add esp {} ", k.name())).words)
        if (lang::value_words(k) != 0) add_word(values, word);
    rows.push_back({{"name", std::string(k.name())},
                    {"names", names},
                    {"value", std::string(lang::metavar(k))},
                    {"words", fmt::to_string(lang::value_words(k))},
                    {"help", std::string(k.help)},
                    {"usable", yes(k.used != 0)},
                    {"used", k.used == lang::kWriters || k.used == k.required ? "" : names_of(k.used)},
                    {"required", names_of(k.required)},
                    {"values", values},
                    {"secret", yes(lang::is_secret(k))}});
  }
  return rows;
}

std::vector<Row> algorithms() {
  std::vector<Row> rows;
  for (const pfkey::Algorithm& a : pfkey::algorithms()) {
    const std::string_view name = a.name();
    rows.push_back({{"name", std::string(name)},
                    {"names", std::string(a.names)},
                    {"kind", a.kind == pfkey::AlgorithmKind::auth ? "auth" : "encrypt"},
                    {"number", fmt::to_string(a.number)},
                    {"keys", pfkey::key_sizes(a)},
                    {"key_bits", fmt::to_string(a.max_bits)},
                    {"icv", a.icv ? fmt::to_string(a.icv) : ""},
                    {"iv", a.iv ? fmt::to_string(a.iv) : ""},
                    {"source", std::string(a.source)},
                    {"standing", std::string(words(a.standing))},
                    {"manual", a.manual() == a.standing ? "" : std::string(words(a.manual()))},
                    {"kernel", std::string(a.kernel)},
                    {"class", a.kind == pfkey::AlgorithmKind::auth ? "authenticates"
                              : a.combined()                       ? "combined"
                                                                   : "encrypts"}});
  }
  return rows;
}

// Adds the facts that shells need about an option, derived from the row's other fields.
Row option(Row row) {
  const std::string letter = row["letter"], name = row["name"], value = row["value"];
  const bool file = value == "FILE" || value == "PATH";
  row["flags"] = flags(letter, name, value);
  row["words"] = letter.empty() ? "--" + name : fmt::format("-{} --{}", letter, name);
  row["lettered"] = yes(!letter.empty());
  row["valued"] = yes(!value.empty());
  row["takes"] = file ? "file" : value == "WHERE" ? "sadb" : "text";
  return row;
}

std::vector<Row> options(const std::vector<cli::OptionText>& texts) {
  std::vector<Row> rows;
  rows.reserve(texts.size());
  for (const cli::OptionText& o : texts)
    rows.push_back(option({{"name", std::string(o.name)},
                           {"letter", o.letter ? std::string(1, o.letter) : ""},
                           {"value", std::string(o.value)},
                           {"help", std::string(o.help)}}));
  return rows;
}

std::string_view text_of(cli::RuleOperands operands) {
  switch (operands) {
    case cli::RuleOperands::none:
      return "none";
    case cli::RuleOperands::file:
    case cli::RuleOperands::optional_file:
      return "file";
    case cli::RuleOperands::packet:
      return "packet";
  }
  return {};
}

// The commands of ipsecconf.
std::vector<Row> rule_commands() {
  std::vector<Row> rows;
  for (const cli::RuleCommandText& c : cli::rule_command_texts())
    rows.push_back({{"name", std::string(c.name)},
                    {"arguments", std::string(c.arguments)},
                    {"options", c.options},
                    {"operands", std::string(text_of(c.operands))},
                    {"help", std::string(c.help)}});
  return rows;
}

std::string_view text_of(policylang::Style style) {
  switch (style) {
    case policylang::Style::either:
      return "either";
    case policylang::Style::old_one:
      return "old";
    case policylang::Style::new_one:
      return "new";
    case policylang::Style::ours:
      return "ours";
  }
  return {};
}

Row pair(const table::Row& row, std::string_view style) {
  return {{"name", std::string(row.name())},    {"names", std::string(row.names)},
          {"value", std::string(metavar(row))}, {"valued", yes(!metavar(row).empty())},
          {"help", std::string(row.help)},      {"style", std::string(style)}};
}

// Keywords of patterns, or properties.
template <class Rows>
std::vector<Row> rule_pairs(const Rows& table) {
  std::vector<Row> rows;
  for (const auto& row : table) rows.push_back(pair(row, text_of(row.style)));
  return rows;
}

std::vector<Row> rule_actions() {
  std::vector<Row> rows;
  for (const policylang::ActionRow& a : policylang::action_rows())
    rows.push_back(
        {{"name", std::string(a.name)}, {"help", std::string(a.help)}, {"style", std::string(text_of(a.style))}});
  return rows;
}

std::vector<Row> packet_words() {
  std::vector<Row> rows;
  for (const table::Row* const row : policylang::packet_rows()) rows.push_back(pair(*row, "either"));
  return rows;
}

std::vector<Row> icmp_names(std::span<const policylang::IcmpName> names) {
  std::vector<Row> rows;
  for (const policylang::IcmpName& n : names)
    rows.push_back({{"name", std::string(n.name)}, {"number", fmt::to_string(n.number)}, {"v6", yes(n.v6)}});
  return rows;
}

// Exit statuses, of either program.
template <class Texts>
std::vector<Row> statuses(const Texts& texts) {
  std::vector<Row> rows;
  rows.reserve(texts.size());
  for (const auto& s : texts)
    rows.push_back({{"name", fmt::to_string(static_cast<int>(s.status))}, {"meaning", std::string(s.meaning)}});
  return rows;
}

std::vector<Row> diagnostics() {
  std::vector<Row> rows;
  for (std::uint16_t i = 1; i <= pfkey::kDiagnosticMax; ++i) {
    const auto code = static_cast<pfkey::Diagnostic>(i);
    rows.push_back({{"name", fmt::to_string(i)},
                    {"word", std::string(pfkey::name_of(code))},
                    {"meaning", std::string(pfkey::text_of(code))}});
  }
  return rows;
}

std::vector<Row> daemon_options() {
  std::vector<Row> rows;
  for (const ipsecd::OptionText& o : ipsecd::option_texts()) {
    Row row{{"value", std::string(o.metavar)}, {"help", std::string(o.help)}, {"letter", ""}};
    text::for_each_word(o.name, [&](std::string_view name) {
      const bool is_long = name.starts_with("--");
      row[is_long ? "name" : "letter"] = name.substr(is_long ? 2 : 1);
    });
    rows.push_back(option(std::move(row)));
  }
  return rows;
}

std::vector<Row> causes() {
  using traffic::Cause;
  std::vector<Row> rows;
  for (std::size_t i = 1; i < traffic::kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    rows.push_back({{"name", std::string(traffic::name(cause))}, {"meaning", std::string(traffic::sentence(cause))}});
  }
  return rows;
}

}  // namespace

Tables program_tables() {
  return {{"command", commands()},
          {"keyword", keywords()},
          {"algorithm", algorithms()},
          {"option", options(cli::option_texts())},
          {"rule-option", options(cli::rule_option_texts())},
          {"rule-command", rule_commands()},
          {"rule-keyword", rule_pairs(policylang::pattern_rows())},
          {"rule-action", rule_actions()},
          {"rule-property", rule_pairs(policylang::property_rows())},
          {"packet-word", packet_words()},
          {"icmp-type", icmp_names(policylang::icmp_types())},
          {"icmp-code", icmp_names(policylang::icmp_codes())},
          {"status", statuses(cli::statuses())},
          {"diagnostic", diagnostics()},
          {"daemon-option", daemon_options()},
          {"daemon-status", statuses(ipsecd::kExitTexts)},
          {"cause", causes()},
          {"list", lists()}};
}

}  // namespace ipseckey::texts
