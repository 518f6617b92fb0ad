#pragma once
/// Which requests of a call still wait for replies.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "pfkey/message.h"

namespace ipseckey::backend {

/// Joins replies to requests by seq and pid. Only requests on their way are in it, however many a call has. Replies
/// mostly come in the order of requests, so a search begins at the oldest. When memory runs out it can still be
/// destroyed.
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
    Id id;
    std::size_t index;
    pfkey::Type type;
    std::size_t replies;  // That are still to come.
  };

  std::optional<Id> id_of(const pfkey::Message& m) const;

  std::deque<Request> waiting_;  // In the order of sending.
  std::deque<Id> dumps_;         // In the order of sending: an end marker does not say which DUMP it ends.
};

}  // namespace ipseckey::backend
