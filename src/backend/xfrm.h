#pragma once
/// The Linux kernel as the SADB: PF_KEY messages in and out, XFRM netlink between.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/companion.h"
#include "backend/netlink.h"
#include "backend/xfrm_decode.h"
#include "backend/xfrm_rules.h"
#include "base/instant.h"

namespace backend {

/// What the backend needs of its surroundings; tests replace all of it.
struct XfrmWorld {
  std::function<Result<Netlink>(bool listening)> connect;  ///< For requests, or subscribed to what happens.
  std::string companion;                                   ///< Path of the file beside the kernel.
  std::function<Instant()> clock;
  std::function<std::uint32_t()> random;                          ///< 32 bits, for GETSPI.
  std::function<std::uint32_t(const std::string&)> device_index;  ///< 0: no such device.
  bool keys_hidden = false;                                       ///< Lockdown: the kernel tells no keys.
  bool labels = false;                                            ///< A security module knows labels.
};
XfrmWorld xfrm_world(std::function<Instant()> clock);

/// A client of the kernel. ADD, DELETE and GET are pipelined; what needs a look at the kernel first waits for those.
class Xfrm : public Backend {
 public:
  static Result<std::unique_ptr<Xfrm>> open(XfrmWorld world);

  std::string name() const override { return "kernel"; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  /// The kernel tells all it does to every listener, so both modes hear the same. After a loss: a gap notice, then the
  /// SAs there are now, as DUMP replies.
  Result<void> listen(bool promiscuous, int stop_fd, const Sink& sink) override;

 private:
  // A request of the pipeline: on its way, or refused already.
  struct Planned {
    std::size_t index;
    std::optional<xfrm::Refusal> refusal;
    std::optional<pfkey::Message> found;  // The SA of a GET.
    std::string remark;
  };
  struct Fetched {
    pfkey::Message sa;
    SecretBuffer payload;
    std::size_t size = 0;
  };
  using Check = std::optional<xfrm::Refusal>;
  using Handler = Result<Check> (Xfrm::*)(pfkey::Message& request, const std::function<void(pfkey::Message&&)>& reply);

  Xfrm(XfrmWorld world, Netlink netlink);

  xfrm::DecodeContext context() const;
  Check plan_add(pfkey::Message& m, std::uint16_t type, std::string& remark);
  Check plan(pfkey::Message& m, std::string& remark);
  Result<void> settle(std::span<pfkey::Message> requests, const Reply& reply);
  void keep(const pfkey::Message& request, std::string& remark);

  Result<std::optional<Fetched>> fetch(const pfkey::Message& name);
  /// One message and its verdict.
  Result<Netlink::Verdict> ask(NetlinkBatch& batch);
  void join(pfkey::Message& sa);

  Result<Check> add_pair(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> update(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> delete_pair(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> getspi(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> flush(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> dump(pfkey::Message& m, const std::function<void(pfkey::Message&&)>& reply);
  Result<Check> check_pair(const pfkey::Message& m);
  Result<Check> change(const pfkey::Message& m, const Fetched& sa);

  XfrmWorld world_;
  Netlink netlink_;
  Companion companion_;
  NetlinkBatch batch_;
  std::vector<Planned> planned_;
};

}  // namespace backend
