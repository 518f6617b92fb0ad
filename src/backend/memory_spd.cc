#include "backend/memory_spd.h"

#include <utility>

namespace ipseckey::backend {

MemorySpd::MemorySpd(Clock clock, engine::RuleBookOptions options)
    : clock_(std::move(clock)), book_(std::move(options)) {}

Result<void> MemorySpd::exchange(std::span<const pfpolicy::Message> requests, Reply reply) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    book_.handle(kClient, requests[i], clock_(), [&](pfpolicy::Message&& m) { reply(i, std::move(m)); });
    book_.put_into_force();
    while (book_.dumping(kClient)) reply(i, book_.next_dumped(kClient));
  }
  return {};
}

}  // namespace ipseckey::backend
