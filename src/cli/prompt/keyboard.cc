#include "cli/prompt/keyboard.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <span>

#include "base/registers.h"
#include "base/secret.h"

namespace ipseckey::cli {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : signals) sigaddset(&set, s);
  return set;
}

}  // namespace

Keyboard::Keyboard()
    : always_(set_of({SIGINT, SIGWINCH})),
      while_reading_(set_of({SIGINT, SIGWINCH, SIGTSTP, SIGTERM, SIGHUP})),
      signals_(signalfd(-1, &while_reading_, SFD_CLOEXEC | SFD_NONBLOCK)) {
  // What is ignored is never blocked: a program that was started to ignore Ctrl-C still ignores it.
  sigprocmask(SIG_BLOCK, &always_, &before_);
}

Keyboard::~Keyboard() {
  signalfd_siginfo taken{};
  while (read(signals_.get(), &taken, sizeof taken) == sizeof taken) continue;
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Keyboard::Listening::Listening(Keyboard& keyboard) {
  // A Ctrl-C that came while a command ran was meant for that command.
  const sigset_t interrupt = set_of({SIGINT});
  constexpr timespec kAtOnce{};
  while (sigtimedwait(&interrupt, nullptr, &kAtOnce) > 0) continue;
  sigprocmask(SIG_BLOCK, &keyboard.while_reading_, &before_);
}

Keyboard::Listening::~Listening() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

// False: more bytes are needed for a whole character.
bool Keyboard::take_byte(wchar_t& key, Event& event) {
  char byte = 0;
  const ssize_t got = read(STDIN_FILENO, &byte, 1);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  event = Event::end;
  if (got <= 0) return true;
  const std::size_t used = std::mbrtowc(&key, &byte, 1, &decoding_);
  wipe(std::as_writable_bytes(std::span(&byte, 1)));
  if (used == static_cast<std::size_t>(-2)) return false;
  if (used == static_cast<std::size_t>(-1)) {
    decoding_ = {};  // No character of the locale: left out.
    return false;
  }
  event = Event::key;
  return true;
}

Keyboard::Event Keyboard::next(wchar_t& key) {
  while (true) {
    std::array<pollfd, 2> waiting{{{signals_.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    wipe_registers();
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return Event::end;
    signalfd_siginfo taken{};
    if (waiting[0].revents != 0 && read(signals_.get(), &taken, sizeof taken) == sizeof taken) {
      last_signal_ = static_cast<int>(taken.ssi_signo);
      if (last_signal_ == SIGINT) return Event::interrupt;
      if (last_signal_ == SIGWINCH) return Event::resize;
      if (last_signal_ == SIGTSTP) return Event::suspend;
      return Event::leave;
    }
    if (waiting[1].revents == 0) continue;
    Event event{};
    if (take_byte(key, event)) return event;
  }
}

void Keyboard::suspend() {
  const sigset_t stop = set_of({SIGTSTP});
  raise(SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &stop, nullptr);  // Here the process stops, and later continues.
  sigprocmask(SIG_BLOCK, &stop, nullptr);
}

void Keyboard::die_of_signal() const {
  const sigset_t end = set_of({last_signal_});
  raise(last_signal_);
  sigprocmask(SIG_UNBLOCK, &end, nullptr);
}

}  // namespace ipseckey::cli
