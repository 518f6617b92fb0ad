#pragma once
/// The signals that ask a process to end, held back while something must not be cut in two.
#include <csignal>

namespace ipseckey {

/// While it lives, INT, TERM and HUP wait; then they have their way, unless somebody outside holds them, too: the
/// prompt, which throws a Ctrl-C away when its command has ended.
class HeldSignals {
 public:
  enum class Ignored : bool {
    stay,       ///< A signal that the process was started to ignore is ignored.
    count_too,  ///< INT and TERM count even then: a script's background job ignores INT, and nothing else may end it.
  };
  explicit HeldSignals(Ignored ignored = Ignored::stay);
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

  bool one_came() const;
  /// Drops an INT or TERM that came, because what it meant has been done.
  void forget() const;

  /// A descriptor that is readable as long as one of them waits; for poll() alone. -1: the system has none to give.
  static int fd();

 private:
  sigset_t before_{};
};

}  // namespace ipseckey
