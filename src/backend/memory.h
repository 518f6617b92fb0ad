#pragma once
/// A throw-away SADB inside the process: for checks and for tests.
#include <functional>
#include <memory>

#include "backend/backend.h"
#include "base/instant.h"
#include "engine/keysock.h"

namespace ipseckey::backend {

using Clock = std::function<Instant()>;

/// The engine without a daemon, with this one client. Nobody else can change it; time passes when it is called.
class Memory : public Backend {
 public:
  Memory(engine::Options options, Clock clock);

  std::string name() const override { return "memory"; }
  bool idles() const override { return true; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  /// Receives messages caused by time: the descriptor is a timer. If no SA has a lifetime it is never readable.
  Result<std::unique_ptr<Listener>> listen(bool promiscuous) override;

  const engine::Engine& engine() const { return keysock_.engine(); }

 private:
  void one_call(std::size_t index, pfkey::Message&& request, const Reply& reply);
  void set_promiscuous(bool on, const Reply& reply);

  class Ear;
  Clock clock_;
  engine::Keysock keysock_;
  engine::ClientId client_;
  Ear* ear_ = nullptr;  // The one that listens.
};

}  // namespace ipseckey::backend
