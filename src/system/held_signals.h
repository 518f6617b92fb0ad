#pragma once
/// Holds back the signals that end a process while something must not be interrupted.
#include <csignal>

namespace ipseckey {

/// Holds INT, TERM and HUP while it lives. They are delivered when it ends, unless an outer HeldSignals still holds
/// them: that of the prompt, which discards a Ctrl-C when its command has ended.
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
