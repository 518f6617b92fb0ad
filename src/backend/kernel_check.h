#pragma once
/// The SADB of a check for the kernel: an engine holds what it is given, and what the kernel's backend would refuse is
/// refused here, in the same words.
#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "backend/netlink.h"
#include "backend/xfrm_rules.h"
#include "backend/xfrm_world.h"

namespace backend {

class KernelCheck : public Backend {
 public:
  /// `engine` judges what is the same for all, and holds the SAs; of `world` nothing is changed.
  KernelCheck(std::unique_ptr<Backend> engine, XfrmWorld world)
      : engine_(std::move(engine)), world_(std::move(world)) {}

  std::string name() const override { return engine_->name(); }
  Rules rules() const override { return Rules::kernel; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  Result<void> listen(bool promiscuous, int stop_fd, const Sink& sink) override {
    return engine_->listen(promiscuous, stop_fd, sink);
  }

 private:
  std::optional<xfrm::Refusal> judge(pfkey::Message& request, std::string& remark);
  std::optional<xfrm::Refusal> judge_add(pfkey::Message& request, std::string& remark);
  std::optional<xfrm::Refusal> judge_update(const pfkey::Message& request, std::string& remark);

  std::unique_ptr<Backend> engine_;
  XfrmWorld world_;
};

}  // namespace backend
