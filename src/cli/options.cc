// How ipseckey reads its arguments:
// 1. kOptions has a row for each option: its letter, its name, and which setting it changes or what it asks for.
// 2. system/option_words cuts the arguments into options, values and operands by the shapes of these rows.
// 3. set() carries out one option: a flag, a text, or the action of the program, which only one option may name.
// 4. take_operands() takes the words behind the options: those of one command.
// 5. usage(), and through option_texts() the manual page and the completions, are printed from the same rows.
#include "cli/options.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "cli/status.h"
#include "lang/faults.h"
#include "pfkey/units.h"
#include "system/option_words.h"

namespace ipseckey::cli {
namespace {

using Do = Options::Do;

/// One option. Exactly one of flag, text and what is set.
struct Row {
  char letter;  // '\0': none.
  std::string_view name;
  std::string_view value;  // Its name in help; empty: the option takes none.
  bool Settings::* flag;
  std::string Settings::* text;
  std::optional<Do> what;  // With a value: the file it works on.
  std::string_view help;
};

constexpr std::array kOptions = {
    Row{'f', "file", "FILE", nullptr, nullptr, Do::load,
        "run the commands or JSON objects in FILE (-: standard input)"},
    Row{'c', "check", "FILE", nullptr, nullptr, Do::check, "check the commands in FILE without changing anything"},
    Row{'s', "save", "FILE", nullptr, nullptr, Do::save, "save all SAs to FILE (-: standard output)"},
    Row{'n', "numeric", "", &Settings::numeric, nullptr, {}, "print numbers instead of host and protocol names"},
    Row{'p', "paranoid", "", &Settings::paranoid, nullptr, {}, "print X for each digit of a key, even when saving"},
    Row{'v',
        "verbose",
        "",
        &Settings::verbose,
        nullptr,
        {},
        "print each PF_KEY message sent, and times also in seconds"},
    Row{'\0',
        "sadb",
        "WHERE",
        nullptr,
        &Settings::sadb,
        {},
        "the SADB to use: ipsecd, ipsecd:PATH, kernel, memory or auto"},
    Row{'\0', "stop-on-error", "", &Settings::stop_on_error, nullptr, {}, "stop a file at its first failing command"},
    Row{'\0', "strict", "", &Settings::strict, nullptr, {}, "treat warnings as errors"},
    Row{'\0',
        "fresh-keys",
        "",
        &Settings::fresh_keys,
        nullptr,
        {},
        "the keys are new: do not warn about counter modes and replay windows"},
    Row{'\0', "json", "", &Settings::json, nullptr, {}, "print SAs, messages and reports as JSON, one object per line"},
    Row{'\0',
        "service",
        "",
        &Settings::service,
        nullptr,
        {},
        "service mode: -f flushes first, unsafe files are rejected, line text is never shown"},
    Row{'h', "help", "", nullptr, nullptr, Do::help, "print this help"},
    Row{'V', "version", "", nullptr, nullptr, Do::version, "print the version"},
};

// A key can be where an option should be, and in groups of digits, where `beside` are the words with it.
std::string shown(const std::string& word, std::string_view beside = {}) {
  return lang::like_a_key(word) || lang::may_hold_key(beside) ? "(not shown: it may be part of a key)"
                                                              : pfkey::escaped(word);
}

std::vector<OptionShape> shapes() {
  std::vector<OptionShape> all;
  for (const Row& row : kOptions) all.push_back(option_shape(row.name, row.letter, !row.value.empty()));
  return all;
}

std::unexpected<Error> wrong(const OptionWords::Found& found) {
  const bool letter = !found.name.starts_with("--");
  return std::unexpected(
      option_fault(found, kOptions[found.option].value, letter ? pfkey::escaped(found.name) : shown(found.name)));
}

Result<void> set(Options& options, const OptionWords::Found& found) {
  if (found.kind != OptionWords::Found::Kind::option) return wrong(found);
  const Row& row = kOptions[found.option];
  if (row.flag) options.settings.*row.flag = true;
  if (row.text) options.settings.*row.text = found.value;
  if (!row.what) return {};
  const bool asks = *row.what == Do::help || *row.what == Do::version;
  if (options.what != Do::interact && !asks) return fail(Errc::syntax, "give only one of -f, -c and -s, and only once");
  options.what = *row.what;
  if (!row.value.empty()) options.file = found.value;
  return {};
}

Result<void> take_operands(Options& options, std::span<const std::string> words) {
  options.operands.assign(words.begin(), words.end());
  if (words.empty() || options.what == Do::help || options.what == Do::version) return {};
  if (options.what != Do::interact)
    return fail(Errc::syntax, fmt::format("-f, -c and -s take one FILE and no further words: unexpected {}",
                                          shown(words[0], fmt::format("{}", fmt::join(words, " ")))));
  options.what = Do::command;
  return {};
}

}  // namespace

Result<Options> parse_options(std::vector<std::string> arguments, const char* sadb_from_environment) {
  Options options;
  if (sadb_from_environment && *sadb_from_environment) options.settings.sadb = sadb_from_environment;
  const auto known = shapes();
  OptionWords words(known, std::move(arguments));
  while (const auto found = words.next())
    if (auto done = set(options, *found); !done) return std::unexpected(done.error());
  if (auto done = take_operands(options, words.rest()); !done) return std::unexpected(done.error());
  return options;
}

std::vector<OptionText> option_texts() {
  std::vector<OptionText> texts;
  texts.reserve(kOptions.size());
  for (const Row& row : kOptions) texts.push_back({row.letter, row.name, row.value, row.help});
  return texts;
}

std::string usage() {
  std::string text =
      "Usage: ipseckey [OPTION ...]                     interactive, or commands from a pipe\n"
      "       ipseckey [OPTION ...] COMMAND [WORD ...]  one command (not add or update)\n"
      "       ipseckey [OPTION ...] -f FILE | -c FILE | -s FILE\n"
      "Manually manipulate an IPsec Security Association Database (SADB).\n\n";
  for (const Row& row : kOptions) {
    const std::string letter = row.letter ? fmt::format("-{}, ", row.letter) : "    ";
    const std::string value = row.value.empty() ? "" : fmt::format("={}", row.value);
    text += fmt::format("  {}--{:<20} {}\n", letter, fmt::format("{}{}", row.name, value), row.help);
  }
  text += "\n`ipseckey help` lists the commands; `ipseckey help attr` the extensions.\n\nExit status:\n";
  for (const StatusText& row : statuses())
    text += fmt::format("  {:<3} {}\n", static_cast<int>(row.status), row.meaning);
  return text;
}

}  // namespace ipseckey::cli
