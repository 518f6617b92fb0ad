#pragma once
/// Holds back the signals that end a process while something must not be interrupted.
#include <csignal>

namespace ipseckey {

/// While it lives, INT, TERM and HUP are held; afterwards they are delivered, unless an outer owner holds them, too:
/// the prompt, which discards a Ctrl-C when its command has ended.
class HeldSignals {
 public:
  enum class Ignored : bool {
    stay,       ///< A signal that the process was started to ignore is ignored.
    count_too,  ///< INT and TERM count even then: a script's background job ignores INT, and nothing else could end it.
  };
  explicit HeldSignals(Ignored ignored = Ignored::stay);
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

  bool one_came() const;
  /// Discards a pending INT or TERM, because its effect has been achieved.
  void forget() const;

  /// A descriptor that is readable while a signal is pending; only for poll(). -1: no descriptors are left.
  static int fd();

 private:
  sigset_t before_{};
};

}  // namespace ipseckey
