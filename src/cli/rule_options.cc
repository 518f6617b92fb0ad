// How ipsecconf reads its arguments:
// 1. kOptions has a row for each option: its letter, its name, which setting it changes or what it asks for, and with
//    what it can be used. kCommands has a row for each word.
// 2. system/option_words cuts the arguments into options, values and operands. Options may follow a command's word.
// 3. set() carries out one option. -f and -F are what is done, or, with -a or -c, how.
// 4. take_operands() finds the command of a word; settle() refuses options that what is done does not use.
// 5. usage and, through the texts, manual page and completions are printed from the same rows.
#include "cli/rule_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/status.h"
#include "pfkey/units.h"
#include "system/option_words.h"
#include "table/faults.h"
#include "table/suggest.h"

namespace ipseckey::cli {
namespace {

using Do = RuleDo;
using Uses = std::uint32_t;

constexpr Uses bit(Do what) { return Uses{1} << static_cast<unsigned>(what); }
template <class... Dos>
constexpr Uses of(Dos... dos) {
  return (bit(dos) | ...);
}

constexpr Uses kAll = ~Uses{0};
constexpr Uses kLists = of(Do::show, Do::list, Do::list_all);
constexpr Uses kFiles = of(Do::add, Do::check, Do::apply);
constexpr Uses kChanges = of(Do::add, Do::apply, Do::unload, Do::flush, Do::flush_all, Do::remove, Do::remove_file);
constexpr Uses kOwns = kChanges | kLists | of(Do::check);

/// One option. Exactly one of flag, text and what is set.
struct Row {
  char letter;  // '\0': none.
  std::string_view name;
  std::string_view value;  // Its name in help; empty: the option takes none.
  bool RuleSettings::* flag;
  std::string RuleSettings::* text;
  std::optional<Do> what;
  Uses used;
  std::string_view help;
};

constexpr std::array kOptions = {
    Row{'a', "add", "FILE", nullptr, nullptr, Do::add, kAll, "add the rules in FILE (-: standard input)"},
    Row{'c', "check", "FILE", nullptr, nullptr, Do::check, kAll, "check the rules in FILE without changing anything"},
    Row{'d', "delete", "INDEX", nullptr, nullptr, Do::remove, kAll, "delete the rule with that index, or TUNNEL,INDEX"},
    Row{'r', "remove", "FILE", nullptr, nullptr, Do::remove_file, kAll, "delete the rules that are in FILE"},
    Row{'f', "flush", "", nullptr, nullptr, Do::flush, kAll,
        "delete the rules of the host, or with -i of a tunnel; with -a or -c, before that"},
    Row{'F', "flush-all", "", nullptr, nullptr, Do::flush_all, kAll,
        "delete all rules; with -a or -c, before that: the file replaces them"},
    Row{'l', "list", "", nullptr, nullptr, Do::list, kAll,
        "list the rules of the host, or with -i of a tunnel, in the order in which they are tried"},
    Row{'L', "list-all", "", nullptr, nullptr, Do::list_all, kAll, "list all rules, those of other programs too"},
    Row{'i',
        "tunnel",
        "NAME",
        nullptr,
        &RuleSettings::tunnel,
        {},
        kLists | of(Do::flush, Do::remove, Do::flush_all),
        "with -d, -f, -l and -L: the rules of this tunnel"},
    Row{'n',
        "numeric",
        "",
        &RuleSettings::numeric,
        nullptr,
        {},
        kAll,
        "print numbers instead of names; rules are always printed so"},
    Row{'q', "quiet", "", &RuleSettings::quiet, nullptr, {}, kAll, "print no warnings"},
    Row{'v',
        "verbose",
        "",
        &RuleSettings::verbose,
        nullptr,
        {},
        kAll,
        "print what was changed; with lists, the policies of each rule in the kernel"},
    Row{'\0',
        "sadb",
        "WHERE",
        nullptr,
        &RuleSettings::sadb,
        {},
        kAll,
        "the database to use: ipsecd, ipsecd:PATH, kernel, memory or auto; with -c, also what it cannot do"},
    Row{'\0', "dry-run", "", &RuleSettings::dry_run, nullptr, {}, kChanges, "print what would be changed"},
    Row{'\0',
        "strict",
        "",
        &RuleSettings::strict,
        nullptr,
        {},
        kFiles,
        "treat warnings as errors, and refuse properties that Solaris does not have"},
    Row{'\0',
        "force",
        "",
        &RuleSettings::force,
        nullptr,
        {},
        of(Do::add, Do::apply),
        "accept rules that the SAs of the database break, or that other programs' rules expose"},
    Row{'\0',
        "guards",
        "",
        &RuleSettings::guards,
        nullptr,
        {},
        kFiles,
        "add rules that let IPv6 neighbour discovery and the host's own addresses pass; with -c, print them"},
    Row{'\0',
        "json",
        "",
        &RuleSettings::json,
        nullptr,
        {},
        kOwns | of(Do::explain, Do::doctor, Do::monitor, Do::prove),
        "print rules and reports as JSON, one object per line"},
    Row{'\0',
        "file",
        "FILE",
        nullptr,
        &RuleSettings::rules_file,
        {},
        of(Do::explain),
        "explain by the rules in FILE, too"},
    Row{'\0', "rule", "N", nullptr, &RuleSettings::rule, {}, of(Do::prove), "prove only the rule with that index"},
    Row{'\0',
        "peer",
        "ADDRESS",
        nullptr,
        &RuleSettings::peer,
        {},
        of(Do::prove),
        "prove only rules about this host at the other end; --respond: answer it, too"},
    Row{'\0',
        "respond",
        "",
        &RuleSettings::respond,
        nullptr,
        {},
        of(Do::prove),
        "be the other end of a proof: answer, and say what arrives, until interrupted"},
    Row{'\0',
        "service",
        "",
        &RuleSettings::service,
        nullptr,
        {},
        kChanges | of(Do::check),
        "service mode: a file that others can write is rejected, and statuses are those of the unit"},
    Row{'h', "help", "", nullptr, nullptr, Do::help, kAll, "print this help"},
    Row{'V', "version", "", nullptr, nullptr, Do::version, kAll, "print the version"},
};

struct Command {
  std::string_view name, arguments;
  Do what;
  RuleOperands operands;
  std::string_view help;
};
constexpr std::array kCommands = {
    Command{"check", "FILE", Do::check, RuleOperands::file, "As -c."},
    Command{"apply", "FILE", Do::apply, RuleOperands::file,
            "Make the rules in FILE all our rules, as -F -a. Rules that are held already stay as they are."},
    Command{"unload", "", Do::unload, RuleOperands::none, "Delete all our rules, as -F."},
    Command{"list", "", Do::list_all, RuleOperands::none, "As -L."},
    Command{"explain", "from ADDRESS to ADDRESS [PACKET]", Do::explain, RuleOperands::packet,
            "Say what happens to a packet, and why: which rules are about it, which SA protects it."},
    Command{"doctor", "", Do::doctor, RuleOperands::none,
            "Say what may be wrong: rules, SAs and settings that do not fit, and packets that were dropped."},
    Command{"monitor", "", Do::monitor, RuleOperands::none,
            "Print each change of the rules as it happens, and packets that rules of ipsecd drop."},
    Command{"prove", "[FILE]", Do::prove, RuleOperands::optional_file,
            "Send packets, and say whether the rules (those in FILE) protect them both ways, or why not."},
    Command{"help", "", Do::help, RuleOperands::none, "Print this help."},
};

std::vector<OptionShape> shapes() {
  std::vector<OptionShape> all;
  for (const Row& row : kOptions) all.push_back(option_shape(row.name, row.letter, !row.value.empty()));
  return all;
}

// "-a" or "--json", as people call it.
std::string called(const Row& row) {
  return row.letter ? fmt::format("-{}", row.letter) : fmt::format("--{}", row.name);
}

std::string called(Do what) {
  for (const Row& row : kOptions)
    if (row.what == what) return called(row);
  for (const Command& c : kCommands)
    if (c.what == what) return std::string(c.name);
  return "a list of our rules";
}

// The requests so far.
struct Asked {
  RuleOptions options;
  std::vector<const Row*> given;
  std::optional<Do> what;
};

Result<void> ask(Asked& asked, Do what) {
  RuleOptions& o = asked.options;
  if (what == Do::flush || what == Do::flush_all) {
    if (o.flush || o.flush_all) return fail(Errc::syntax, "give only one of -f and -F, and only once");
    (what == Do::flush ? o.flush : o.flush_all) = true;
    return {};
  }
  if (asked.what == what) return fail(Errc::syntax, fmt::format("{} is given twice", called(what)));
  if (asked.what)
    return fail(Errc::syntax,
                fmt::format("{} and {} are two commands: give one of them", called(*asked.what), called(what)));
  asked.what = what;
  return {};
}

Result<void> set(Asked& asked, const OptionWords::Found& found) {
  const Row& row = kOptions[found.option];
  if (found.kind != OptionWords::Found::Kind::option)
    return std::unexpected(option_fault(found, row.value, shown_word(found.name)));
  asked.given.push_back(&row);
  RuleSettings& settings = asked.options.settings;
  if (row.flag) settings.*row.flag = true;
  if (row.text == &RuleSettings::tunnel && !settings.tunnel.empty())
    return fail(Errc::syntax, "Interface name already selected");
  if (row.text) settings.*row.text = found.value;
  if (row.text && found.value.empty()) return fail(Errc::syntax, fmt::format("{} needs a {}", found.name, row.value));
  if (!row.what) return {};
  if (!row.value.empty()) asked.options.argument = found.value;
  return ask(asked, *row.what);
}

Result<void> take_operands(Asked& asked, std::vector<std::string> words) {
  if (words.empty() || asked.what == Do::help || asked.what == Do::version) return {};
  if (asked.what || asked.options.flush || asked.options.flush_all)
    return fail(Errc::syntax, fmt::format("unexpected word {}: {} takes no more", shown_word(words[0]),
                                          asked.what            ? called(*asked.what)
                                          : asked.options.flush ? "-f"
                                                                : "-F"));
  const auto found = std::ranges::find(kCommands, words[0], &Command::name);
  if (found == kCommands.end()) {
    std::vector<std::string_view> names;
    for (const Command& c : kCommands) names.push_back(c.name);
    const std::string meant = table::like_a_key(words[0]) ? "" : table::did_you_mean(words[0], names);
    return fail(Errc::syntax, fmt::format("Unknown command {}{}", shown_word(words[0]),
                                          meant.empty() ? "; to load a file, write -a FILE or apply FILE" : meant));
  }
  asked.what = found->what;
  words.erase(words.begin());
  if (found->operands == RuleOperands::file || (found->operands == RuleOperands::optional_file && !words.empty())) {
    if (words.empty()) return fail(Errc::syntax, fmt::format("{} needs a FILE", found->name));
    asked.options.argument = words[0];
    words.erase(words.begin());
  }
  if (found->operands == RuleOperands::packet || found->what == Do::help) {
    asked.options.operands = std::move(words);
    return {};
  }
  if (!words.empty())
    return fail(Errc::syntax, fmt::format("unexpected word {}: {} takes no more", shown_word(words[0]), found->name));
  return {};
}

Result<RuleOptions> settle(Asked asked) {
  RuleOptions& o = asked.options;
  const bool flushes = o.flush || o.flush_all;
  if (asked.what == Do::help || asked.what == Do::version) {
    o.what = *asked.what;
    return o;
  }
  if (flushes && asked.what && *asked.what != Do::add && *asked.what != Do::check)
    return fail(Errc::syntax, fmt::format("{} and {} are two commands: give one of them", o.flush ? "-f" : "-F",
                                          called(*asked.what)));
  o.what = asked.what ? *asked.what : o.flush ? Do::flush : o.flush_all ? Do::flush_all : Do::show;
  for (const Row* const row : asked.given) {
    if ((row->used & bit(o.what)) == 0)
      return fail(Errc::syntax, fmt::format("{} cannot be used with {}", called(*row), called(o.what)));
  }
  // -L -i NAME lists that tunnel, as the manual says; -i with -d TUNNEL,INDEX names it twice.
  if (o.what == Do::flush_all && !o.settings.tunnel.empty())
    return fail(Errc::syntax, "-F is about all rules: for those of one tunnel, write -f -i NAME");
  if (o.what == Do::remove && !o.settings.tunnel.empty() && o.argument.find(',') != std::string::npos)
    return fail(Errc::syntax, "Interface name already selected");
  return o;
}

std::string line(std::string_view left, std::string_view help) { return fmt::format("  {:<26} {}\n", left, help); }

}  // namespace

// Rules have no keys, but a key can be here by mistake.
std::string shown_word(std::string_view word) {
  return table::like_a_key(word) ? "(not shown: it may be part of a key)" : pfkey::escaped(word);
}

Result<RuleOptions> parse_rule_options(std::vector<std::string> arguments, const char* sadb_from_environment) {
  Asked asked;
  if (sadb_from_environment) asked.options.settings.sadb = sadb_from_environment;
  const auto known = shapes();
  OptionWords words(known, std::move(arguments));
  std::vector<std::string> operands;
  while (true) {
    while (const auto found = words.next())
      if (auto done = set(asked, *found); !done) return std::unexpected(done.error());
    if (words.rest().empty()) break;
    operands.push_back(words.rest()[0]);
    words.skip();
  }
  if (auto done = take_operands(asked, std::move(operands)); !done) return std::unexpected(done.error());
  return settle(std::move(asked));
}

std::vector<OptionText> rule_option_texts() {
  std::vector<OptionText> texts;
  texts.reserve(kOptions.size());
  for (const Row& row : kOptions) texts.push_back({row.letter, row.name, row.value, row.help});
  return texts;
}

std::vector<RuleCommandText> rule_command_texts() {
  std::vector<RuleCommandText> texts;
  for (const Command& c : kCommands) {
    std::string taken;
    for (const Row& row : kOptions)
      if (!row.what && (row.used & bit(c.what)) != 0)
        taken += fmt::format("{}--{}{}", taken.empty() ? "" : " ", row.name, row.value.empty() ? "" : "=");
    texts.push_back({c.name, c.arguments, std::move(taken), c.operands, c.help});
  }
  return texts;
}

std::string rule_usage() {
  std::string text =
      "Usage: ipsecconf [OPTION ...]            the rules that are ours\n"
      "       ipsecconf [OPTION ...] -a FILE | -c FILE | -r FILE | -d INDEX\n"
      "       ipsecconf [OPTION ...] COMMAND [WORD ...]\n"
      "Say which packets IPsec protects: rules, for ipsecd or the kernel.\n\n";
  for (const Row& row : kOptions) {
    const std::string letter = row.letter ? fmt::format("-{}, ", row.letter) : "    ";
    const std::string value = row.value.empty() ? "" : fmt::format("={}", row.value);
    text += line(fmt::format("{}--{}{}", letter, row.name, value), row.help);
  }
  text += "\nCommands:\n";
  for (const Command& c : kCommands)
    text += c.arguments.size() > 10
                ? fmt::format("  {} {}\n{}", c.name, c.arguments, line("", c.help))
                : line(fmt::format("{}{}{}", c.name, c.arguments.empty() ? "" : " ", c.arguments), c.help);
  text +=
      "\nPACKET is any of: proto PROTOCOL, sport PORT, dport PORT, type TYPE, code CODE, tunnel NAME, mark NUMBER,\n"
      "if_id NUMBER, and in, out or fwd.\n\nExit status:\n";
  for (const StatusText& row : statuses())
    text += fmt::format("  {:<3} {}\n", static_cast<int>(row.status), row.meaning);
  return text;
}

}  // namespace ipseckey::cli
