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

namespace traffic {

/// For the engine's thread. An SA whose packets leave costs nothing but a look when its time would have come.
class KeepAlives {
 public:
  /// Again: its directions may have changed.
  void file(Flow& flow);
  void remove(Flow& flow);

  /// The next SA that has sent nothing for its time; its time begins anew. nullptr: there is none.
  Flow* due(Instant now);
  /// When due() is to be asked again, on the steady clock; nullopt: as long as there are the same SAs, never.
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  struct Entry {
    std::chrono::nanoseconds at;    // Not before then.
    std::chrono::nanoseconds told;  // When the NAT was last shown one.
  };
  void set(Flow& flow, Entry entry);

  std::map<const Flow*, Entry> entries_;
  std::set<std::pair<std::chrono::nanoseconds, Flow*>> queue_;
};

}  // namespace traffic
