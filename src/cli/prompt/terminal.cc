#include "cli/prompt/terminal.h"

#include <fmt/format.h>

#include <string>

#include "base/secret.h"
#include "cli/prompt/completion.h"
#include "cli/prompt/editor.h"
#include "cli/prompt/key_remains.h"
#include "lang/complete.h"
#include "lang/faults.h"

namespace ipseckey::cli {
namespace {

constexpr char kPrompt[] = "ipseckey> ";
constexpr char kContinued[] = "       -> ";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && lang::is_blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && lang::is_blank(text.front())) text.remove_prefix(1);
  return text;
}

bool goes_on(std::string_view text) { return trimmed(text).ends_with('\\'); }

// A command of several lines joined into one, as the history returns it.
std::string on_one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#') && !out.empty()) continue;
    if (line.ends_with('\\')) line = trimmed(line.substr(0, line.size() - 1));
    if (line.empty()) continue;
    if (!out.empty()) out += ' ';
    out += line;
  }
  return out;
}

// The command being typed. Its text may hold a key: it grows without leaving copies, and is wiped.
class Text {
 public:
  ~Text() { clear(); }
  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }
  void append(std::string& line) {
    if (text_.size() + line.size() > text_.capacity()) {
      std::string larger;
      larger.reserve(2 * (text_.size() + line.size()));
      larger += text_;
      clear();
      text_ = std::move(larger);
    }
    text_ += line;
    wipe(std::as_writable_bytes(std::span(line)));
  }
  void clear() {
    wipe(std::as_writable_bytes(std::span(text_)));
    text_.clear();
  }

 private:
  std::string text_;
};

class Prompt {
 public:
  Prompt(Session& session, Handlers handlers)
      : session_(session), handlers_(handlers), editor_([this](std::string_view line, std::size_t columns) {
          return complete_line(text_.view(), line, columns);
        }) {}

  void run() {
    bool quit = false;
    while (!quit) {
      std::string line;
      const auto outcome = editor_.read(text_.empty() ? kPrompt : kContinued, line);
      if (outcome == Editor::Outcome::end) {
        if (text_.empty()) return;
        session_.console().complain("the command is incomplete and was ignored");
      }
      if (outcome != Editor::Outcome::line) {
        text_.clear();
        continue;
      }
      text_.append(line);
      if (goes_on(text_.view())) continue;
      quit = use();
      text_.clear();
      wipe_key_remains();
    }
  }

 private:
  // True: it was the command that leaves.
  bool use() {
    const std::string_view text = text_.view();
    const bool has_key = lang::may_hold_key(text);
    if (const auto before = lang::asks_what_follows(text)) {
      session_.console().out(lang::help_here(*before));
      if (!has_key) editor_.begin_with(on_one_line(*before) + ' ');
      return false;
    }
    if (!has_key)
      if (const std::string line = on_one_line(text); !line.empty()) editor_.remember(line);
    bool quit = false;
    run_text(session_, handlers_, text, lang::Where::prompt, &quit);
    return quit;
  }

  Session& session_;
  Handlers handlers_;
  Text text_;
  Editor editor_;
};

}  // namespace

Status interact(Session& session, Handlers handlers) {
  const backend::Backend* const sadb = session.sadb();
  if (!sadb && session.no_sadb() == Status::usage) return Status::usage;
  session.console().out(fmt::format("ipseckey {}, {}{}; help lists the commands, quit exits\n", IPSECKEY_VERSION,
                                    sadb ? "SADB " : "no SADB yet", sadb ? session.shown_sadb() : ""));
  Prompt(session, handlers).run();
  session.console().err(session.typed().warnings.rest("ipseckey"));
  return Status::ok;
}

}  // namespace ipseckey::cli
