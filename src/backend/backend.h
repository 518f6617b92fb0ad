#pragma once
/// The interface between the command and a SADB: PF_KEY messages go in, PF_KEY messages come out.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey::backend {

/// Whose rules a SADB follows.
enum class Rules : std::uint8_t {
  engine,  ///< Those of our engine, here or in ipsecd.
  kernel,  ///< Those of this machine's Linux.
};

/// What reaches a listener of one SADB. The loop that waits is the caller's, so it can wait for other things too. Must
/// not outlive the Backend that it is of.
class Listener {
 public:
  using Sink = std::function<void(pfkey::Message&& message)>;

  /// Ends listening as end() does, without a word about failures.
  virtual ~Listener() = default;

  /// For poll(POLLIN): readable when next() has something, be it an error. Two things it does not show: the reply with
  /// which listening begins, and what came during a call() of the same Backend. So next() goes before the wait. -1: it
  /// has ended, or an Error was its last word.
  virtual int descriptor() const = 0;

  /// Yields the waiting messages without blocking; of very many only some, and the descriptor stays readable. The
  /// first of all is the reply to the X_PROMISC that set the mode: nothing that happens after it is missed. An Error
  /// means that no more will come.
  virtual Result<void> next(const Sink& sink) = 0;

  /// Turns promiscuous mode off; no more messages arrive. An Error: the SADB did not confirm that.
  virtual Result<void> end() = 0;
};

/// One SADB. With its Listener the only virtual class of the project.
class Backend {
 public:
  /// A reply to requests[request]. A DUMP gives one reply for each SA; its end marker (seq 0) is delivered last.
  using Reply = std::function<void(std::size_t request, pfkey::Message&& reply)>;

  virtual ~Backend() = default;

  /// The SADB in use, as a person would name it: "ipsecd:/run/ipsecd/pfkey.sock", "kernel", "memory".
  virtual std::string name() const = 0;

  /// The process that is the SADB, as this one counts processes; 0: none, or not known.
  virtual std::uint32_t process() const { return 0; }

  /// Whether SAs idle by default: after half of their hard limit of seconds after the add.
  virtual bool idles() const { return false; }

  /// Whose rules it follows.
  virtual Rules rules() const { return Rules::engine; }
  /// Whether the mark is part of an SA's name.
  bool names_by_mark() const { return rules() == Rules::kernel; }

  /// Sends the requests in order, consuming them (keys need no second copy), and gives each one's replies as they come,
  /// matched on seq and pid, which the caller has set, which differ from request to request and are not 0. A refusal is
  /// a reply with errno and diagnostic; an Error means that no answer came (unreachable, timeout) for the requests
  /// whose reply was not called. Never blocks without a deadline.
  virtual Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) = 0;

  /// As call(), but may return before all replies have come: finish() yields the rest. Until then `requests`, `reply`
  /// and what they refer to remain, and nothing else is asked of this Backend. An Error is the end of it, as call()'s
  /// is.
  virtual Result<void> start(std::span<pfkey::Message> requests, const Reply& reply) { return call(requests, reply); }
  /// Waits for the replies to what was started. Nothing was: success.
  virtual Result<void> finish() { return {}; }

  /// Listens to every message that reaches a listener (all of them if promiscuous). One Listener at a time; calls may
  /// continue beside it. Whether it receives what call() of this same Backend causes is the SADB's matter: the kernel
  /// reports it to every listener; an engine reports it only in its replies.
  virtual Result<std::unique_ptr<Listener>> listen(bool promiscuous) = 0;
};

}  // namespace ipseckey::backend
