#pragma once
/// The command's output: data to standard output, messages to standard error. Nothing but
/// printable ASCII, line feeds and tabulators gets through; other bytes are escaped.
#include <functional>
#include <string>
#include <string_view>

namespace ipseckey::cli {

class Console {
 public:
  /// Takes the text of one write; returns 0, or the errno if it could not be written.
  using Writer = std::function<int(std::string_view)>;

  /// This process' standard output and standard error.
  Console();
  /// Anything else, for tests. `marks`: as marks().
  Console(Writer out, Writer err, bool marks);

  /// Data. Written through at once; a failure is remembered (a full disk, a reader that went away).
  void out(std::string_view text);
  /// Faults and notices, each text whole lines.
  void err(std::string_view text);
  /// "ipseckey: TEXT" on standard error; the program's name is what call_me() said last.
  void complain(std::string_view text);
  void call_me(std::string_view program) { program_ = program; }

  bool marks() const { return marks_; }  ///< Faults are shown with a mark under the word: stderr is a terminal.
  bool out_failed() const { return out_error_ != 0; }
  /// Standard output is a pipe or socket whose reader has seen enough.
  bool reader_gone() const;
  std::string out_error() const;

 private:
  Writer out_, err_;
  std::string program_ = "ipseckey";
  bool marks_;
  int out_error_ = 0;  // An errno.
};

}  // namespace ipseckey::cli
