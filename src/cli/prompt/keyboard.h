#pragma once
/// The keys that a person types and the signals that come in between, one at a time: no signal handler runs, so nothing
/// happens in the middle of anything.
#include <csignal>
#include <cwchar>

#include "system/descriptor.h"

namespace ipseckey::cli {

class Keyboard {
 public:
  enum class Event {
    key,
    end,        ///< The terminal is gone.
    interrupt,  ///< Ctrl-C.
    resize,     ///< The window has another size.
    suspend,    ///< Ctrl-Z.
    leave,      ///< The process is asked to end: die_of_signal().
  };

  /// From now on Ctrl-C does not end the process; what it interrupts is over before the next key is waited for.
  Keyboard();
  ~Keyboard();
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  /// While one of these lives, every signal of Event comes through next().
  class Listening {
   public:
    explicit Listening(Keyboard& keyboard);
    ~Listening();
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;

   private:
    sigset_t before_;
  };

  /// Waits for one event; a key is put into `key`, decoded as the locale says.
  Event next(wchar_t& key);

  /// Stops the process as Ctrl-Z does; returns when it continues.
  static void suspend();
  /// Does what the signal of Event::leave does to a process that takes no care.
  void die_of_signal() const;

 private:
  bool take_byte(wchar_t& key, Event& event);

  sigset_t always_, while_reading_, before_;
  Descriptor signals_;
  std::mbstate_t decoding_{};
  int last_signal_ = 0;
};

}  // namespace ipseckey::cli
