#pragma once
/// The SADB for checking a file against the kernel (`-c`): an engine holds the SAs of the file, and whatever the
/// kernel's backend would refuse is refused here with the same message.
#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "backend/memory.h"
#include "kernel/detail/xfrm_rules.h"
#include "kernel/netlink.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {

/// An engine with these options that applies the kernel's rules. It holds every SA of the file, because an UPDATE is
/// checked against its SA.
std::unique_ptr<backend::Backend> open_check(engine::Options options, std::function<Instant()> clock, XfrmWorld world);

class KernelCheck : public backend::Backend {
 public:
  /// `engine` applies the common rules and holds the SAs; `world` is only read.
  KernelCheck(std::unique_ptr<backend::Backend> engine, XfrmWorld world)
      : engine_(std::move(engine)), world_(std::move(world)) {}

  std::string name() const override { return engine_->name(); }
  backend::Rules rules() const override { return backend::Rules::kernel; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  Result<std::unique_ptr<backend::Listener>> listen(bool promiscuous) override { return engine_->listen(promiscuous); }

 private:
  std::optional<xfrm::Refusal> judge(pfkey::Message& request, std::string& remark);
  std::optional<xfrm::Refusal> judge_add(pfkey::Message& request, std::string& remark);
  std::optional<xfrm::Refusal> judge_update(const pfkey::Message& request, std::string& remark);

  std::unique_ptr<backend::Backend> engine_;
  XfrmWorld world_;
};

}  // namespace ipseckey::kernel
