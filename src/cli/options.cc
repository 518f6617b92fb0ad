#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/status.h"
#include "lang/faults.h"
#include "pfkey/units.h"

namespace cli {
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
    Row{'f', "file", "FILE", nullptr, nullptr, Do::load, "run the commands of FILE (-: standard input)"},
    Row{'c', "check", "FILE", nullptr, nullptr, Do::check, "check the commands of FILE, change nothing"},
    Row{'s', "save", "FILE", nullptr, nullptr, Do::save, "save all SAs to FILE (-: standard output)"},
    Row{'n', "numeric", "", &Settings::numeric, nullptr, {}, "print numbers instead of host and protocol names"},
    Row{'p', "paranoid", "", &Settings::paranoid, nullptr, {}, "print an X for each digit of a key, even when saving"},
    Row{'v', "verbose", "", &Settings::verbose, nullptr, {}, "print each message sent, and raw seconds"},
    Row{'\0',
        "sadb",
        "WHERE",
        nullptr,
        &Settings::sadb,
        {},
        "the SADB to talk to: ipsecd, ipsecd:PATH, kernel, memory or auto"},
    Row{'\0', "stop-on-error", "", &Settings::stop_on_error, nullptr, {}, "end a file at its first failing command"},
    Row{'\0', "strict", "", &Settings::strict, nullptr, {}, "take warnings for errors"},
    Row{'\0',
        "fresh-keys",
        "",
        &Settings::fresh_keys,
        nullptr,
        {},
        "the keys were never used before: no warnings of counter modes and replay windows"},
    Row{'\0', "json", "", &Settings::json, nullptr, {}, "print SAs, messages and reports as JSON, one object a line"},
    Row{'\0',
        "service",
        "",
        &Settings::service,
        nullptr,
        {},
        "as a service does it: with -f flush and load; say nothing of a line's text"},
    Row{'h', "help", "", nullptr, nullptr, Do::help, "print this"},
    Row{'V', "version", "", nullptr, nullptr, Do::version, "print the version"},
};

// A key can stand where an option should, and in groups of digits, where `beside` are the words with it.
std::string shown(const std::string& word, std::string_view beside = {}) {
  return lang::like_a_key(word) || lang::may_hold_key(beside) ? "(not shown: it may be part of a key)"
                                                              : pfkey::escaped(word);
}

class Arguments {
 public:
  Arguments(std::vector<std::string> arguments, Options& options)
      : arguments_(std::move(arguments)), options_(options) {}

  Result<void> parse() {
    while (next_ < arguments_.size()) {
      const std::string word = arguments_[next_];
      if (word == "--") {
        ++next_;
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      ++next_;
      auto done = word[1] == '-' ? long_option(word) : letters(word);
      if (!done) return done;
    }
    return operands();
  }

 private:
  Result<void> long_option(const std::string& word) {
    const auto equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    const auto row = std::ranges::find(kOptions, name, &Row::name);
    if (row == kOptions.end()) return fail(Errc::syntax, fmt::format("there is no option {}", shown("--" + name)));
    if (equals == std::string::npos) return apply(*row, std::nullopt);
    if (row->value.empty()) return fail(Errc::syntax, fmt::format("--{} takes no value", name));
    return apply(*row, word.substr(equals + 1));
  }

  Result<void> letters(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const auto row = std::ranges::find(kOptions, word[i], &Row::letter);
      if (row == kOptions.end())
        return fail(Errc::syntax, fmt::format("there is no option -{}", pfkey::escaped(word.substr(i, 1))));
      const bool takes_rest = !row->value.empty() && i + 1 < word.size();
      auto done = apply(*row, takes_rest ? std::optional(word.substr(i + 1)) : std::nullopt);
      if (!done || takes_rest) return done;
    }
    return {};
  }

  Result<void> apply(const Row& row, std::optional<std::string> value) {
    if (!row.value.empty() && !value) {
      if (next_ == arguments_.size()) return fail(Errc::syntax, fmt::format("--{} needs a {}", row.name, row.value));
      value = arguments_[next_++];
    }
    if (row.flag) options_.settings.*row.flag = true;
    if (row.text) options_.settings.*row.text = *value;
    if (!row.what) return {};
    const bool asks = *row.what == Do::help || *row.what == Do::version;
    if (options_.what != Do::interact && !asks)
      return fail(Errc::syntax, "only one of -f, -c and -s can be given, and once");
    options_.what = *row.what;
    if (value) options_.file = std::move(*value);
    return {};
  }

  Result<void> operands() {
    options_.operands.assign(arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
    if (options_.operands.empty()) return {};
    if (options_.what != Do::interact)
      return options_.what == Do::help || options_.what == Do::version
                 ? Result<void>{}
                 : fail(Errc::syntax,
                        fmt::format("-f, -c and -s take a file alone: {} is one word too many",
                                    shown(options_.operands[0], fmt::format("{}", fmt::join(options_.operands, " ")))));
    options_.what = Do::command;
    return {};
  }

  std::vector<std::string> arguments_;
  Options& options_;
  std::size_t next_ = 0;
};

}  // namespace

Result<Options> parse_options(std::vector<std::string> arguments, const char* sadb_from_environment) {
  Options options;
  if (sadb_from_environment && *sadb_from_environment) options.settings.sadb = sadb_from_environment;
  auto done = Arguments(std::move(arguments), options).parse();
  if (!done) return std::unexpected(done.error());
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

}  // namespace cli
