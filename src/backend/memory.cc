#include "backend/memory.h"

#include <fmt/format.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "backend/detail/news.h"
#include "system/descriptor.h"
#include "system/errno_text.h"

namespace ipseckey::backend {

using pfkey::Message;

// Listens: messages caused by time wait in a queue, and a timer fires when the next one is due.
class Memory::Ear : public Listener {
 public:
  Ear(Memory& memory, bool promiscuous, Descriptor timer)
      : memory_(memory), promiscuous_(promiscuous), timer_(std::move(timer)) {
    memory_.ear_ = this;
  }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  ~Ear() override { stop(); }

  int descriptor() const override { return memory_.ear_ == this ? timer_.get() : -1; }

  Result<void> next(const Sink& sink) override {
    if (memory_.ear_ != this) return {};
    const Instant now = memory_.clock_();
    memory_.keysock_.expire(now, [&](engine::ClientId, Message&& m) { news_.hear(std::move(m)); });
    news_.give(sink);
    arm();
    return {};
  }

  Result<void> end() override {
    stop();
    return {};
  }

  void hear(Message&& m) { news_.hear(std::move(m)); }

  // Sets the timer to the next thing that happens; it may be due already.
  void arm() const {
    std::optional<std::chrono::nanoseconds> left;
    if (!news_.empty()) {
      left = std::chrono::nanoseconds{1};
    } else if (const auto deadline = memory_.keysock_.deadline()) {
      left = std::max(*deadline - memory_.clock_().steady, std::chrono::nanoseconds{1});
    }
    itimerspec due{};  // All 0: never.
    if (left) {
      const auto seconds = std::chrono::floor<std::chrono::seconds>(*left);
      due.it_value.tv_sec = seconds.count();
      due.it_value.tv_nsec = (*left - seconds).count();
    }
    ::timerfd_settime(timer_.get(), 0, &due, nullptr);
  }

 private:
  void stop() {
    if (memory_.ear_ != this) return;
    memory_.ear_ = nullptr;
    news_.forget();
    if (promiscuous_) memory_.set_promiscuous(false, [](std::size_t, Message&&) {});
  }

  Memory& memory_;
  bool promiscuous_;
  Descriptor timer_;
  News news_;
};

Memory::Memory(engine::Options options, Clock clock)
    : clock_(std::move(clock)), keysock_(std::move(options)), client_(keysock_.open()) {}

void Memory::one_call(std::size_t index, Message&& request, const Reply& reply) {
  // Nobody else sends, so what has the request's numbers answers it; the end of a DUMP has seq 0.
  const bool dump = request.type == pfkey::Type::dump;
  const auto deliver = [&, pid = request.pid, seq = request.seq](engine::ClientId, Message&& m) {
    if (m.pid == pid && (m.seq == seq || (dump && m.seq == 0))) {
      reply(index, std::move(m));
    } else if (ear_) {
      ear_->hear(std::move(m));
    }
  };
  const Instant now = clock_();
  keysock_.expire(now, [&](engine::ClientId, Message&& m) {
    if (ear_) ear_->hear(std::move(m));
  });
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
  if (ear_) ear_->arm();
  return {};
}

void Memory::set_promiscuous(bool on, const Reply& reply) {
  Message request;
  request.type = pfkey::Type::x_promisc;
  request.satype = on ? pfkey::SaType{1} : pfkey::SaType::unspec;
  request.seq = request.pid = 1;
  one_call(0, std::move(request), reply);
}

Result<std::unique_ptr<Listener>> Memory::listen(bool promiscuous) {
  Descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return fail(Errc::io, fmt::format("cannot create a timer: {}", errno_text(errno)));
  Message mode;
  set_promiscuous(promiscuous, [&](std::size_t, Message&& m) { mode = std::move(m); });
  auto ear = std::make_unique<Ear>(*this, promiscuous, std::move(timer));
  ear->hear(std::move(mode));
  return ear;
}

}  // namespace ipseckey::backend
