// The line editor of the prompt, around libedit:
// 1. read() lets libedit edit a line; Calls has what libedit calls: the prompt, the next key, Tab, ^C, the search.
// 2. next_key() takes keys from the Keyboard, which also reports signals: resize, suspend, interrupt, end.
// 3. tab() asks for completion or help and inserts it, or shows it below the line (show_below()).
// 4. search() is our own search of the history, because libedit keeps what was sought where nobody can wipe it.
// 5. After each line wipe_key_remains() wipes what can be reached, and makes a new editor so that libedit releases the
//    rest.
#include "cli/prompt/editor.h"

#include <histedit.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <memory>
#include <span>

#include "base/secret.h"
#include "cli/prompt/key_remains.h"

namespace ipseckey::cli {
namespace {

constexpr std::size_t kOutBuffer = 4096;  // Bytes.
constexpr int kHistory = 1000;            // Commands.
constexpr wchar_t kInterrupt = 3;         // Ctrl-C.

std::string narrow(std::wstring_view text) {
  std::string out;
  out.reserve(text.size() * MB_LEN_MAX);  // Once, so that no copy is left behind.
  std::mbstate_t state{};
  for (const wchar_t c : text) {
    char bytes[MB_LEN_MAX];
    const std::size_t used = std::wcrtomb(bytes, c, &state);
    if (used == static_cast<std::size_t>(-1)) {
      out += '?';
      state = {};
    } else {
      out.append(bytes, used);
    }
  }
  return out;
}

void wipe_text(std::string& text) { wipe(std::as_writable_bytes(std::span(text))); }

}  // namespace

struct Editor::Calls {
  static Editor& self(EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<Editor*>(data);
  }

  static char* prompt(EditLine* edit) { return const_cast<char*>(self(edit).prompt_); }

  static int next_key(EditLine* edit, wchar_t* key) {
    Editor& editor = self(edit);
    const LineInfoW* const line = el_wline(edit);
    editor.longest_ = std::max(editor.longest_, static_cast<std::size_t>(line->lastchar - line->buffer));
    if (editor.interrupted_) {
      *key = L'\n';  // After drop(): the editor goes below the line and gives it back.
      return 1;
    }
    while (true) switch (editor.keyboard_.next(*key)) {
        case Keyboard::Event::key:
          return 1;
        case Keyboard::Event::end:
          return 0;
        case Keyboard::Event::interrupt:
          editor.interrupted_ = true;
          *key = kInterrupt;
          return 1;
        case Keyboard::Event::resize:
          editor.draw_again(true);
          break;
        case Keyboard::Event::suspend:
          el_set(edit, EL_PREP_TERM, 0);
          Keyboard::suspend();
          el_set(edit, EL_PREP_TERM, 1);
          editor.draw_again(false);
          break;
        case Keyboard::Event::leave:
          el_set(edit, EL_PREP_TERM, 0);
          editor.keyboard_.die_of_signal();
          return 0;
      }
  }

  static unsigned char drop(EditLine* edit, int) {
    const LineInfoW* const line = el_wline(edit);
    el_cursor(edit, static_cast<int>(line->lastchar - line->cursor));
    el_insertstr(edit, "^C");
    return CC_REFRESH;
  }

  static unsigned char search(EditLine* edit, int) { return self(edit).search() ? CC_REFRESH : CC_REFRESH_BEEP; }

  static unsigned char tab(EditLine* edit, int) {
    const LineInfoW* const line = el_wline(edit);
    std::string typed = narrow({line->buffer, static_cast<std::size_t>(line->cursor - line->buffer)});
    const Help help = self(edit).help_with(typed);
    wipe_text(typed);
    if (help.remove > 0) el_deletestr(edit, static_cast<int>(help.remove));
    if (!help.insert.empty()) el_insertstr(edit, help.insert.c_str());
    if (help.show.empty()) return help.insert.empty() ? CC_REFRESH_BEEP : CC_REFRESH;
    self(edit).show_below(help.show);
    return CC_REDISPLAY;
  }
};

// The next older command of the history that contains the text before the cursor when the search began.
// A line that was changed since starts a new search.
bool Editor::search() {
  const LineInfoW* const line = el_wline(edit_);
  std::string typed = narrow({line->buffer, static_cast<std::size_t>(line->cursor - line->buffer)});
  if (found_.empty() || typed != found_) {
    sought_.swap(typed);
    found_.clear();
  }
  wipe_text(typed);
  HistEvent event{};
  bool beyond = found_.empty();
  for (int r = ::history(past_, &event, H_FIRST); r != -1; r = ::history(past_, &event, H_NEXT)) {
    const std::string_view past(event.str);
    if (beyond && past != found_ && past.find(sought_) != std::string_view::npos) {
      found_ = past;
      el_cursor(edit_, static_cast<int>(line->lastchar - line->cursor));
      el_deletestr(edit_, static_cast<int>(line->lastchar - line->buffer));
      el_insertstr(edit_, found_.c_str());
      return true;
    }
    beyond = beyond || past == found_;
  }
  return false;
}

// How many rows of the screen are above the one in which that much of the line ends.
std::size_t Editor::rows_above(std::size_t characters) const {
  return (std::string_view(prompt_).size() + characters) / columns();
}

// libedit takes away the rows that it believes to hold the line and draws it from the first of them on, so the cursor
// is put where those rows are empty: under the text.
void Editor::show_below(std::string_view text) {
  const LineInfoW* const line = el_wline(edit_);
  const std::size_t at = rows_above(static_cast<std::size_t>(line->cursor - line->buffer));
  const std::size_t last = rows_above(static_cast<std::size_t>(line->lastchar - line->buffer));
  for (std::size_t i = at; i <= last; ++i) std::fputc('\n', out_);
  std::fputc('\r', out_);
  for (const char c : text) {
    if (c == '\n') std::fputc('\r', out_);  // The terminal does not do it while a line is edited.
    std::fputc(c, out_);
  }
  for (std::size_t i = 0; i < at; ++i) std::fputc('\n', out_);
}

// Draws the line over itself (`in_place`: the cursor is still in it), in the window as it is now.
void Editor::draw_again(bool in_place) {
  const LineInfoW* const line = el_wline(edit_);
  char* up = nullptr;
  el_get(edit_, EL_GETTC, "up", &up);
  el_resize(edit_);
  std::fputc('\r', out_);
  if (in_place && up)
    for (std::size_t i = rows_above(static_cast<std::size_t>(line->cursor - line->buffer)); i > 0; --i)
      std::fputs(up, out_);
  el_set(edit_, EL_REFRESH);
}

Editor::Editor(OnTab on_tab)
    : on_tab_(std::move(on_tab)), out_buffer_(std::make_unique<char[]>(kOutBuffer)), past_(history_init()) {
  std::setlocale(LC_CTYPE, "");
  // A stream of our own: what was typed stays in its buffer, which we can wipe.
  out_ = fdopen(dup(STDOUT_FILENO), "w");
  std::setvbuf(out_, out_buffer_.get(), _IOFBF, kOutBuffer);
  HistEvent event{};
  ::history(past_, &event, H_SETSIZE, kHistory);
  ::history(past_, &event, H_SETUNIQUE, 1);
  tcgetattr(STDIN_FILENO, &terminal_);
  edit_ = new_edit();
  leave_few_key_remains();
}

editline* Editor::new_edit() {
  EditLine* const edit = el_init("ipseckey", stdin, out_, stderr);
  el_set(edit, EL_CLIENTDATA, this);
  el_set(edit, EL_SIGNAL, 0);
  el_set(edit, EL_PROMPT, &Calls::prompt);
  el_set(edit, EL_EDITOR, "emacs");
  el_set(edit, EL_HIST, ::history, past_);
  el_set(edit, EL_ADDFN, "ipseckey-complete", "Complete the word before the cursor", &Calls::tab);
  el_set(edit, EL_BIND, "^I", "ipseckey-complete", nullptr);
  el_set(edit, EL_ADDFN, "ipseckey-drop", "Drop the line", &Calls::drop);
  el_set(edit, EL_BIND, "^C", "ipseckey-drop", nullptr);
  // Instead of libedit's own searches, which keep what was sought where nobody can wipe it.
  el_set(edit, EL_ADDFN, "ipseckey-search", "Search the history for the text before the cursor", &Calls::search);
  for (const char* const key : {"^R", "\\ep", "\\eP"}) el_set(edit, EL_BIND, key, "ipseckey-search", nullptr);
  for (const char* const key : {"^S", "\\en", "\\eN"}) el_set(edit, EL_BIND, "-r", key, nullptr);
  el_source(edit, nullptr);  // ~/.editrc: the person's own keys.
  el_set(edit, EL_GETCFN, &Calls::next_key);
  return edit;
}

// What was typed ahead stays: el_end() would flush it away with the terminal's settings, which are ours to put back.
void Editor::end_edit() {
  el_set(edit_, EL_EDITMODE, 0);
  el_end(edit_);
}

Editor::~Editor() {
  end_edit();
  tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_);
  history_end(past_);
  std::fclose(out_);
  wipe(std::as_writable_bytes(std::span(out_buffer_.get(), kOutBuffer)));
}

// libedit has copies in what it shows, killed, undid, searched for and keeps of a line while the history is shown, none
// of which can be reached from outside: it must free all its memory. The history is ours, not its own.
void Editor::wipe_key_remains() {
  const LineInfoW* const line = el_wline(edit_);
  const auto size = std::max(longest_, static_cast<std::size_t>(line->lastchar - line->buffer));
  wipe(std::as_writable_bytes(std::span(const_cast<wchar_t*>(line->buffer), size)));
  std::fflush(out_);
  wipe(std::as_writable_bytes(std::span(out_buffer_.get(), kOutBuffer)));
  longest_ = 0;
  wipe(std::as_writable_bytes(std::span(sought_)));
  sought_.clear();
  found_.clear();
  end_edit();
  cli::wipe_key_remains();
  edit_ = new_edit();
  leave_few_key_remains();
}

Editor::Outcome Editor::read(const char* prompt, std::string& line) {
  const Keyboard::Listening listening(keyboard_);
  prompt_ = prompt;
  interrupted_ = false;
  el_resize(edit_);  // The window may have changed while a command ran.
  int length = 0;
  const wchar_t* const got = el_wgets(edit_, &length);
  const bool whole = !interrupted_ && got && length > 0;
  if (whole) line = narrow({got, static_cast<std::size_t>(length)});
  if (!whole && !interrupted_) std::fputs("\n", out_);
  wipe_key_remains();
  return whole ? Outcome::line : interrupted_ ? Outcome::dropped : Outcome::end;
}

void Editor::begin_with(const std::string& line) { el_push(edit_, line.c_str()); }

void Editor::remember(const std::string& line) {
  HistEvent event{};
  ::history(past_, &event, H_ENTER, line.c_str());
}

std::size_t Editor::columns() const {
  winsize size{};
  constexpr std::size_t kUsual = 80, kLeast = 20;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::max<std::size_t>(size.ws_col, kLeast);
}

}  // namespace ipseckey::cli
