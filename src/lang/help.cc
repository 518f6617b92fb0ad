#include "lang/help.h"

#include <fmt/format.h>

#include "base/text.h"
#include "lang/keywords.h"
#include "lang/syntax.h"

namespace lang {
namespace {

// Breaks a sentence into lines of at most 80 columns with a hanging indent.
void wrap(std::string_view sentence, std::size_t indent, std::string& out) {
  std::size_t column = indent;
  out += std::string(indent, ' ');
  bool first = true;
  text::for_each_word(sentence, [&](std::string_view word) {
    if (!first && column + 1 + word.size() > 80) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    if (!first) out += ' ', ++column;
    out += word;
    column += word.size();
    first = false;
  });
  out += '\n';
}

std::string usage(const CommandRow& row) {
  std::string text;
  text::for_each_word(row.names, [&](std::string_view name) { text += text.empty() ? "" : ", ", text += name; });
  return row.arguments.empty() ? text : fmt::format("{} {}", text, row.arguments);
}

void write_keyword(const Keyword& row, std::string& out) {
  std::string names;
  for_each_name(row, [&](std::string_view name) { names += names.empty() ? "" : ", ", names += name; });
  if (const auto value = metavar(row); !value.empty()) names += fmt::format("  {}", value);
  wrap(names, 2, out);
  wrap(row.help, 8, out);
}

std::string write_keywords(Verbs used_by, std::string_view heading) {
  std::string out(heading);
  for (const Keyword& row : keywords())
    if (row.used & used_by) write_keyword(row, out);
  return out;
}

std::string_view from_where(const CommandRow& row) {
  if (!row.allowed_from(Where::shell) && !row.has_keys())
    return "At the prompt and in files; not from the shell, where --fresh-keys does the same.";
  if (!row.allowed_from(Where::shell))
    return "At the prompt and in files; not from the shell, where its keys would be seen by all.";
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
  out += "\nhelp COMMAND tells more of one; help attr lists the extensions.\n";
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
  if (const auto match = find_keyword(topic); match.row && match.row->used != 0) write_keyword(*match.row, out);
  return out;
}

}  // namespace lang
