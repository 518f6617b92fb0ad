#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/harmless.h"
#include "base/registers.h"
#include "base/secret.h"
#include "system/errno_text.h"

namespace ipseckey::cli {
namespace {

// Unbuffered, so that no key stays behind in a buffer of the C library.
Console::Writer writer(int fd) {
  return [fd](std::string_view text) {
    while (!text.empty()) {
      wipe_registers();
      const ssize_t done = write(fd, text.data(), text.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return errno;
      text.remove_prefix(static_cast<std::size_t>(done));
    }
    return 0;
  };
}

// The last barrier before a terminal: names and texts from outside are escaped on input, line feeds included;
// text that was missed there can only break a line.
int write_harmless(const Console::Writer& writer, std::string_view text) {
  if (text::is_harmless(text)) return writer(text);
  std::string harmless = text::harmless(text);
  const int error = writer(harmless);
  wipe(std::as_writable_bytes(std::span(harmless)));
  return error;
}

}  // namespace

Console::Console() : Console(writer(STDOUT_FILENO), writer(STDERR_FILENO), isatty(STDERR_FILENO) == 1) {}

Console::Console(Writer out, Writer err, bool marks) : out_(std::move(out)), err_(std::move(err)), marks_(marks) {}

void Console::out(std::string_view text) {
  if (out_failed()) return;
  out_error_ = write_harmless(out_, text);
}

bool Console::reader_gone() const { return out_error_ == EPIPE; }

std::string Console::out_error() const {
  return fmt::format("cannot write standard output: {}", errno_text(out_error_));
}

void Console::err(std::string_view text) { write_harmless(err_, text); }

void Console::complain(std::string_view text) { err(fmt::format("{}: {}\n", program_, text)); }

}  // namespace ipseckey::cli
