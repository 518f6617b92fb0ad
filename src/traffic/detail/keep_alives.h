#pragma once
/// When SAs in UDP need a keepalive for the NAT in front of them (RFC 3948 section 2.3): for a given time, it returns
/// those that have sent nothing for too long.
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/instant.h"
#include "traffic/detail/flow.h"

namespace ipseckey::traffic {

/// For the engine's thread. An SA that sends packets costs only one check when its keepalive would be due.
class KeepAlives {
 public:
  /// May be called again if its directions changed.
  void file(Flow& flow);
  void remove(Flow& flow);

  /// The next SA that has sent nothing for its interval; a new interval begins. nullptr: there is none, or this round
  /// is full, and then deadline() has passed.
  Flow* due(Instant now);
  /// The keepalive for the last SA that due() returned was not sent: it is due again in a second.
  void again(Flow& flow, Instant now);
  /// When due() must be called again, on the steady clock; nullopt: not before an SA comes or changes.
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  void set(Flow& flow, std::chrono::nanoseconds at);

  std::map<const Flow*, std::chrono::nanoseconds> at_;  // Not due before then.
  std::set<std::pair<std::chrono::nanoseconds, Flow*>> queue_;
  unsigned looked_at_ = 0;  // The number since due() last returned nullptr.
};

}  // namespace ipseckey::traffic
