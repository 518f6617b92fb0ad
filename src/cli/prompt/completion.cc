#include "cli/prompt/completion.h"

#include <algorithm>
#include <filesystem>

#include "base/harmless.h"
#include "base/secret.h"
#include "lang/complete.h"
#include "lang/language.h"
#include "pfkey/units.h"

namespace ipseckey::cli {
namespace {

// The length of their common prefix, ignoring case.
std::string common_start(const std::vector<std::string>& words) {
  std::string start = words.front();
  for (const std::string& word : words)
    start.resize(static_cast<std::size_t>(std::ranges::mismatch(start, word).in1 - start.begin()));
  return start;
}

// In columns, read downwards.
std::string in_columns(const std::vector<std::string>& words, std::size_t width) {
  constexpr std::size_t kGap = 2;
  std::size_t widest = 0;
  for (const std::string& w : words) widest = std::max(widest, w.size() + kGap);
  const std::size_t across = std::max<std::size_t>(width / widest, 1);
  const std::size_t down = (words.size() + across - 1) / across;
  std::string out;
  for (std::size_t row = 0; row < down; ++row) {
    for (std::size_t i = row; i < words.size(); i += down) {
      out += words[i];
      if (i + down < words.size()) out.append(widest - words[i].size(), ' ');
    }
    out += '\n';
  }
  return out;
}

// The last part of a path, which alone is worth showing.
std::string last_part(const std::string& path) {
  const auto slash = path.find_last_of('/', path.size() - 2);
  return slash == std::string::npos || path.size() < 2 ? path : path.substr(slash + 1);
}

// Letters beyond ASCII stay as they are: the line editor shows them safely, and a name may be completed in its middle.
std::string in_quotes(const std::string& name) {
  const bool plain =
      std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '"' || c == '\\'; });
  if (plain && !text::is_harmless(name)) return '"' + name + '"';
  std::string out;
  lang::write_quoted(name, out);
  return out;
}

// The names in the file system that start like `typed`, folders with a slash at the end, in order. Hidden ones only if
// asked for by a dot.
std::vector<std::string> file_names(const std::string& typed) {
  namespace fs = std::filesystem;
  const auto slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::string start = typed.substr(folder.size());
  std::vector<std::string> names;
  std::error_code ignored;
  for (fs::directory_iterator at(folder.empty() ? "." : folder, ignored), end; at != end && !ignored;
       at.increment(ignored)) {
    const std::string name = at->path().filename();
    if (!name.starts_with(start) || (name.starts_with('.') && !start.starts_with('.'))) continue;
    names.push_back(folder + name + (at->is_directory(ignored) ? "/" : ""));
    ignored.clear();
  }
  std::ranges::sort(names);
  return names;
}

Editor::Help complete_file(std::string_view typed_raw, std::size_t columns) {
  std::string_view typed = typed_raw;
  if (typed.starts_with('"')) typed.remove_prefix(1);
  std::vector<std::string> names = file_names(std::string(typed));
  if (names.empty()) return {};
  std::string start = common_start(names);
  if (names.size() == 1) {
    const bool folder = start.ends_with('/');
    std::string word = in_quotes(start);
    if (folder && word.ends_with('"')) word.pop_back();  // More of the name is to come.
    return {typed_raw.size(), word + (folder ? "" : " "), {}};
  }
  if (start.size() > typed.size()) {
    std::string word = in_quotes(start);
    if (word.ends_with('"')) word.pop_back();
    return {typed_raw.size(), std::move(word), {}};
  }
  for (std::string& name : names) name = pfkey::escaped(last_part(name));
  return {0, {}, in_columns(names, columns)};
}

}  // namespace

Editor::Help complete_line(std::string_view before, std::string_view line, std::size_t columns) {
  std::string text;
  text.reserve(before.size() + line.size());
  text.append(before).append(line);
  const lang::Completion found = lang::complete(text);
  Editor::Help help;
  if (found.file) {
    help = complete_file(std::string_view(text).substr(found.at), columns);
  } else if (const std::size_t typed = text.size() - found.at; found.words.size() == 1) {
    help = {typed, std::string(found.words.front()) + ' ', {}};
  } else if (!found.words.empty()) {
    const std::vector<std::string> words(found.words.begin(), found.words.end());
    if (std::string start = common_start(words); start.size() > typed) {
      help = {typed, std::move(start), {}};
    } else {
      help.show = in_columns(words, columns);
    }
  } else if (typed == 0) {
    help.show = lang::help_here(text);
  }
  wipe(std::as_writable_bytes(std::span(text)));
  return help;
}

}  // namespace ipseckey::cli
