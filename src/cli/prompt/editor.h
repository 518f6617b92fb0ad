#pragma once
/// The line editor of the prompt: libedit with our own keyboard, completion, and a history that no key enters.
#include <termios.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/prompt/keyboard.h"

struct editline;
struct history;

namespace ipseckey::cli {

class Editor {
 public:
  enum class Outcome {
    line,
    dropped,  ///< Ctrl-C.
    end,      ///< Ctrl-D on an empty line, or the terminal is gone.
  };
  /// What the Tab key does to a line: puts characters in at the cursor, or shows something under the line.
  struct Help {
    std::size_t remove = 0;  ///< Characters before the cursor to be taken away first.
    std::string insert = {};
    std::string show = {};  ///< Whole lines.
  };
  /// Is given the line up to the cursor and the width of the screen in columns.
  using OnTab = std::function<Help(std::string_view line, std::size_t columns)>;

  explicit Editor(OnTab on_tab);
  ~Editor();
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  /// Reads a line with its newline into `line`, which its caller wipes. Everything that was typed meanwhile, also what
  /// was deleted or searched for, is wiped from the editor's memory.
  Outcome read(const char* prompt, std::string& line);

  /// The line is in the next read() as if it had been typed. For lines without keys: the editor keeps it for a
  /// while.
  void begin_with(const std::string& line);

  /// Takes a line (one line, without a newline) into the history, not a second time in a row.
  void remember(const std::string& line);

  /// Of the screen, at least 20.
  std::size_t columns() const;

 private:
  struct Calls;  // What libedit calls.
  editline* new_edit();
  void end_edit();
  void wipe_key_remains();
  void show_below(std::string_view text);
  void draw_again(bool in_place);
  bool search();
  std::size_t rows_above(std::size_t characters) const;
  Help help_with(std::string_view line) const { return on_tab_(line, columns()); }

  OnTab on_tab_;
  Keyboard keyboard_;
  std::unique_ptr<char[]> out_buffer_;
  std::FILE* out_ = nullptr;
  editline* edit_ = nullptr;
  history* past_ = nullptr;
  termios terminal_{};  // As it was before.
  const char* prompt_ = "";
  std::size_t longest_ = 0;  // Characters that the editor's buffer has held in this read().
  bool interrupted_ = false;
  std::string sought_, found_;  // Of the search that is under way.
};

}  // namespace ipseckey::cli
