#include "lang/help.h"

#include <fmt/format.h>

#include "base/text.h"
#include "lang/keywords.h"
#include "table/help.h"

namespace ipseckey::lang {
namespace {

using table::wrap;

std::string usage(const CommandRow& row) {
  std::string text;
  text::for_each_word(row.names, [&](std::string_view name) { text += text.empty() ? "" : ", ", text += name; });
  return row.arguments.empty() ? text : fmt::format("{} {}", text, row.arguments);
}

std::string write_keywords(Verbs used_by, std::string_view heading) {
  std::string out(heading);
  table::write_help(language().table, used_by, out);
  return out;
}

std::string_view from_where(const CommandRow& row) {
  if (!row.allowed_from(Where::shell) && !row.has_keys())
    return "At the prompt and in files; not from the shell, where --fresh-keys does the same.";
  if (!row.allowed_from(Where::shell))
    return "At the prompt and in files; not from the shell, where every user could see its keys.";
  if (!row.allowed_from(Where::file)) return "At the prompt and from the shell; not in files.";
  return "At the prompt, in files and from the shell.";
}

}  // namespace

std::string help_overview() {
  std::string out = "Commands:\n";
  for (const CommandRow& row : commands()) {
    wrap(usage(row), 2, out);
    wrap(row.help, 8, out);
  }
  out += "\nhelp COMMAND explains one command; help attr lists the extensions.\n";
  return out;
}

std::string help_topic(std::string_view topic) {
  if (topic == "attr") return write_keywords(kWriters | kFinders, "Extensions and their values:\n");
  if (const CommandRow* row = find_command(topic)) {
    std::string out = usage(*row) + '\n';
    wrap(row->help, 4, out);
    if (!row->more.empty()) wrap(row->more, 4, out);
    wrap(from_where(*row), 4, out);
    if (row->operands != Operands::extensions) return out;
    std::string required;
    for (const Keyword& k : keywords())
      if (k.required & bit(row->verb)) required += fmt::format("{}{}", required.empty() ? "" : " and ", k.name());
    wrap(fmt::format("It needs {}.", required), 4, out);
    return out + write_keywords(bit(row->verb), "\nExtensions that it uses:\n");
  }
  std::string out;
  if (const auto match = find_keyword(topic); match.row && match.row->used != 0) table::write_help(*match.row, out);
  return out;
}

}  // namespace ipseckey::lang
