#include "cli/terminal.h"

#include <histedit.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/runner.h"
#include "lang/keywords.h"

namespace cli {
namespace {

char kPrompt[] = "ipseckey> ";
char* prompt(EditLine*) { return kPrompt; }

bool holds_key(std::string_view text) {
  std::vector<lang::Word> words;
  lang::split(text, words);
  for (const lang::Word& w : words)
    if (const auto match = lang::find_keyword(w.text); match.row && lang::is_secret(*match.row)) return true;
  return text.find("key") != std::string_view::npos;
}

bool continues(std::string_view line) { return line.ends_with("\\\n"); }

}  // namespace

Status interact(Session& session) {
  const std::unique_ptr<EditLine, decltype(&el_end)> editor(el_init("ipseckey", stdin, stdout, stderr), el_end);
  const std::unique_ptr<History, decltype(&history_end)> past(history_init(), history_end);
  HistEvent event{};
  history(past.get(), &event, H_SETSIZE, 200);
  el_set(editor.get(), EL_PROMPT, prompt);
  el_set(editor.get(), EL_EDITOR, "emacs");
  el_set(editor.get(), EL_SIGNAL, 1);
  el_set(editor.get(), EL_HIST, history, past.get());
  std::string text;
  bool quit = false;
  while (!quit) {
    int length = 0;
    const char* line = el_gets(editor.get(), &length);
    if (!line || length <= 0) break;
    text.append(line, static_cast<std::size_t>(length));
    if (continues(text)) continue;
    if (!holds_key(text) && text != "\n") history(past.get(), &event, H_ENTER, text.c_str());
    run_text(session, text, lang::Where::prompt, &quit);
    wipe(std::as_writable_bytes(std::span(text)));
    text.clear();
  }
  return Status::ok;
}

}  // namespace cli
