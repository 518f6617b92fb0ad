#pragma once
/// Which requests of a call still wait for replies.
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "pfkey/message.h"

namespace ipseckey::backend {

/// Joins replies to requests by seq and pid. Only requests on their way are in it, however many a call has.
class Pending {
 public:
  /// Requests[index] is on its way. One that gets no reply (ACQUIRE with an errno, a failure notice) is not kept.
  void sent(std::size_t index, const pfkey::Message& request);

  /// The request that m is a reply to, which is forgotten if this is its last one; nullopt: m answers none of them.
  /// A DUMP ends with a reply of seq 0 or an error, an extended REGISTER after a reply for each SA type.
  std::optional<std::size_t> match(const pfkey::Message& m);

  bool empty() const { return waiting_.empty(); }
  /// Whether a DUMP has not come to its end.
  bool dumping() const { return !dumps_.empty(); }

 private:
  using Id = std::pair<std::uint32_t, std::uint32_t>;  // seq, pid
  struct Request {
    std::size_t index;
    pfkey::Type type;
    std::size_t replies;  // That are still to come.
  };

  std::optional<Id> id_of(const pfkey::Message& m) const;

  absl::flat_hash_map<Id, Request> waiting_;
  std::deque<Id> dumps_;  // In the order of sending: an end marker does not say which DUMP it ends.
};

}  // namespace ipseckey::backend
