#pragma once
/// A throw-away SADB inside the process: for checks and for tests.
#include <functional>

#include "backend/backend.h"
#include "base/instant.h"
#include "engine/keysock.h"

namespace backend {

using Clock = std::function<Instant()>;

/// The engine without a daemon, with this one client. Nobody else can change it; time passes when it is called.
class Memory : public Backend {
 public:
  Memory(engine::Options options, Clock clock);

  std::string name() const override { return "memory"; }
  bool idles() const override { return true; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  /// Hears what time does to the SAs. Fails at once with unsupported where that can be nothing: no stop_fd to wait
  /// for and no SA with a lifetime.
  Result<void> listen(bool promiscuous, int stop_fd, const Sink& sink) override;

  const engine::Engine& engine() const { return keysock_.engine(); }

 private:
  void one_call(std::size_t index, pfkey::Message&& request, const Reply& reply);
  void set_promiscuous(bool on, const Sink& sink);

  Clock clock_;
  engine::Keysock keysock_;
  engine::ClientId client_;
};

}  // namespace backend
