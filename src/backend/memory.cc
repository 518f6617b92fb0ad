#include "backend/memory.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace backend {

using pfkey::Message;

Memory::Memory(engine::Options options, Clock clock)
    : clock_(std::move(clock)), keysock_(std::move(options)), client_(keysock_.open()) {}

void Memory::one_call(std::size_t index, Message&& request, const Reply& reply) {
  // Nobody else sends, so what has the request's numbers answers it; the end of a DUMP has seq 0.
  const bool dump = request.type == pfkey::Type::dump;
  const auto deliver = [&, pid = request.pid, seq = request.seq](engine::ClientId, Message&& m) {
    if (m.pid == pid && (m.seq == seq || (dump && m.seq == 0))) reply(index, std::move(m));
  };
  const Instant now = clock_();
  keysock_.expire(now, [](engine::ClientId, Message&&) {});
  keysock_.handle(client_, std::move(request), now, deliver);
  while (keysock_.dumping(client_)) keysock_.next_dumped(client_, deliver);
}

Result<void> Memory::call(std::span<Message> requests, const Reply& reply) {
  constexpr std::size_t kAhead = 8;  // Requests: in a big SADB each meets memory that the cache has not got.
  for (const Message& m : requests.first(std::min(kAhead, requests.size()))) keysock_.engine().expect(m);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (i + kAhead < requests.size()) keysock_.engine().expect(requests[i + kAhead]);
    one_call(i, std::move(requests[i]), reply);
  }
  return {};
}

void Memory::set_promiscuous(bool on, const Sink& sink) {
  Message request;
  request.type = pfkey::Type::x_promisc;
  request.satype = on ? pfkey::SaType{1} : pfkey::SaType::unspec;
  request.seq = request.pid = 1;
  one_call(0, std::move(request), [&](std::size_t, Message&& m) { sink(std::move(m)); });
}

Result<void> Memory::listen(bool promiscuous, int stop_fd, const Sink& sink) {
  bool wanted = true;
  const auto deliver = [&](Message&& m) {
    if (wanted) wanted = sink(std::move(m));
    return wanted;
  };
  set_promiscuous(promiscuous, deliver);
  while (wanted) {
    const Instant now = clock_();
    keysock_.expire(now, [&](engine::ClientId, Message&& m) { deliver(std::move(m)); });
    if (!wanted) break;
    const auto deadline = keysock_.deadline();
    if (!deadline && stop_fd < 0)
      return fail(Errc::unsupported, "nothing can happen in the private SADB `memory`: listen to ipsecd instead");
    constexpr std::chrono::milliseconds kLongest{60'000};
    const auto left = deadline ? std::chrono::ceil<std::chrono::milliseconds>(*deadline - now.steady) : kLongest;
    pollfd stop{stop_fd, POLLIN, 0};
    if (::poll(&stop, 1, static_cast<int>(std::clamp(left, std::chrono::milliseconds{0}, kLongest).count())) > 0) break;
  }
  if (promiscuous) set_promiscuous(false, [](Message&&) { return true; });
  return {};
}

}  // namespace backend
