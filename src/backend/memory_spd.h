#pragma once
/// A throw-away database of rules inside the process: for checks and for tests.
#include "backend/memory.h"
#include "backend/policy_spd.h"
#include "engine/rule_book.h"

namespace ipseckey::backend {

/// It refuses what an ipsecd refuses. Nobody else can change it.
class MemorySpd : public PolicySpd {
 public:
  explicit MemorySpd(Clock clock, engine::RuleBookOptions options = {});

  std::string name() const override { return "memory"; }

 private:
  Result<void> exchange(std::span<const pfpolicy::Message> requests, Reply reply) override;
  void release() override { book_.close(kClient); }
  bool wait(unsigned) override { return false; }

  static constexpr engine::ClientId kClient = 1;
  Clock clock_;
  engine::RuleBook book_;
};

}  // namespace ipseckey::backend
