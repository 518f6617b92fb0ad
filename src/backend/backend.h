#pragma once
/// The seam between the command and a SADB: PF_KEY messages go in, PF_KEY messages come out.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pfkey/message.h"

namespace backend {

/// What an SADB takes and refuses.
enum class Rules : std::uint8_t {
  engine,  ///< As our engine does, here or in ipsecd.
  kernel,  ///< As this machine's Linux does.
};

/// One SADB. The only virtual class of the project.
class Backend {
 public:
  /// A reply to requests[request]. A DUMP gives one reply for each SA; its end marker (seq 0) is delivered last.
  using Reply = std::function<void(std::size_t request, pfkey::Message&& reply)>;
  /// A message that was heard. False: stop listening.
  using Sink = std::function<bool(pfkey::Message&& message)>;

  virtual ~Backend() = default;

  /// The SADB in use, as a person would name it: "ipsecd:/run/ipsecd/pfkey.sock", "kernel", "memory".
  virtual std::string name() const = 0;

  /// The process that is the SADB, as this one counts processes; 0: none, or not known.
  virtual std::uint32_t process() const { return 0; }

  /// Whether SAs idle by default: after half of their hard limit of seconds after the add.
  virtual bool idles() const { return false; }

  /// By whose rules it judges.
  virtual Rules rules() const { return Rules::engine; }
  /// Whether the mark is part of an SA's name.
  bool names_by_mark() const { return rules() == Rules::kernel; }

  /// Sends the requests in order, consuming them (keys need no second copy), and gives each one's replies as they come,
  /// matched on seq and pid, which the caller has set, which differ from request to request and are not 0. A refusal is
  /// a reply with errno and diagnostic; an Error means that no answer came (unreachable, timeout) for the requests
  /// whose reply was not called. Never blocks without a deadline.
  virtual Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) = 0;

  /// Gives every message that reaches a listener (all of them if promiscuous) until the sink says false or `stop_fd`
  /// becomes readable (-1: never); then promiscuous mode is off again. The first message is the reply to the X_PROMISC
  /// that sets the mode: nothing that happens after it is missed.
  virtual Result<void> listen(bool promiscuous, int stop_fd, const Sink& sink) = 0;
};

}  // namespace backend
