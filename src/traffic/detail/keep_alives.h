#pragma once
/// When SAs in UDP show the NAT in front of them that they are still there (RFC 3948 section 2.3): asked about a time,
/// it says which have been silent for too long.
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/instant.h"
#include "traffic/detail/flow.h"

namespace ipseckey::traffic {

/// For the engine's thread. An SA whose packets leave costs nothing but a look when its time would have come.
class KeepAlives {
 public:
  /// Again: its directions may have changed.
  void file(Flow& flow);
  void remove(Flow& flow);

  /// The next SA that has sent nothing for its time; its time begins anew. nullptr: there is none, or it is enough for
  /// once, and then deadline() has passed.
  Flow* due(Instant now);
  /// The last one that due() gave was not shown: it is due once more in a second.
  void again(Flow& flow, Instant now);
  /// When due() is to be asked again, on the steady clock; nullopt: as long as there are the same SAs, never.
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  void set(Flow& flow, std::chrono::nanoseconds at);

  std::map<const Flow*, std::chrono::nanoseconds> at_;  // Not before then.
  std::set<std::pair<std::chrono::nanoseconds, Flow*>> queue_;
  unsigned looked_at_ = 0;  // Since due() last gave nullptr.
};

}  // namespace ipseckey::traffic
