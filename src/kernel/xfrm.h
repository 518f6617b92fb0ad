#pragma once
/// The Linux kernel as the SADB: PF_KEY messages in and out, XFRM netlink between.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "kernel/detail/side_table.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/detail/xfrm_rules.h"
#include "kernel/netlink.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {

/// A client of the kernel. ADD, DELETE and GET are pipelined; requests that need to read from the kernel first wait for
/// those.
class Xfrm : public backend::Backend {
 public:
  static Result<std::unique_ptr<Xfrm>> open(XfrmWorld world);

  std::string name() const override { return "kernel"; }
  backend::Rules rules() const override { return backend::Rules::kernel; }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override;
  /// The kernel reports everything it does to every listener, so both modes receive the same. After a loss: a gap
  /// notice, then the current SAs as DUMP replies.
  Result<std::unique_ptr<backend::Listener>> listen(bool promiscuous) override;

 private:
  using Check = std::optional<xfrm::Refusal>;
  // A request of the pipeline: sent, or decided.
  struct Planned {
    std::size_t index;
    Check refusal;
    std::string remark = {};
    bool decided = false;
    std::unique_ptr<pfkey::Message> found = {};  // The SA of a GET.
  };
  struct Fetched {
    pfkey::Message sa;
    SecretBuffer payload;  // As the kernel reported it.
    std::size_t size = 0;
  };
  struct Looked {
    std::optional<Fetched> found;
    Check refusal;  // Why the kernel does not report the SA; an SA that does not exist is not a refusal.
  };
  using Answer = std::function<void(pfkey::Message&&)>;
  using Handler = Result<Check> (Xfrm::*)(pfkey::Message& request, const Answer& reply);

  Xfrm(XfrmWorld world, Netlink netlink);

  // The pipeline: xfrm.cc.
  xfrm::DecodeContext context() const;
  Check plan_add(pfkey::Message& m, std::uint16_t type, std::string& remark);
  Check plan(pfkey::Message& m, std::string& remark);
  Result<void> settle(std::span<pfkey::Message> requests, const Reply& reply);
  void conclude(Planned& p, pfkey::Message& request, const Reply& reply);
  xfrm::Refusal why(const pfkey::Message& m, const Netlink::Verdict& verdict) const;

  // One at a time: xfrm_requests.cc.
  Result<Check> ask(const pfkey::Message& m, NetlinkBatch& batch);
  Result<Looked> look(const pfkey::Message& name);
  Result<Looked> look_for(const pfkey::Message& request);
  void tell_near(xfrm::Refusal& refusal, const pfkey::Message& request, const pfkey::Message* found);
  Result<Check> remove(pfkey::Message& m, const Answer& reply);
  Result<Check> getspi(pfkey::Message& m, const Answer& reply);
  Result<Check> reg(pfkey::Message& m, const Answer& reply);
  Result<Check> flush(pfkey::Message& m, const Answer& reply);
  Result<Check> dump(pfkey::Message& m, const Answer& reply);
  void add_what_is_beside(std::vector<pfkey::Message>& list, pfkey::SaType satype,
                          const std::map<backend::SaName, SideRow>& rows);

  // Pairs, and whatever else is stored in the side table: xfrm_pairs.cc.
  void keep(const pfkey::Message& request, std::string& remark);
  Result<void> join(pfkey::Message& sa);
  void direct(pfkey::Message& sa) const;
  void doubt(pfkey::Message& sa) const;
  bool serves_both(const pfkey::Message& sa) const;
  Result<Check> check_pair(pfkey::Message& m);
  Result<Check> set_pair(const pfkey::Message& m);
  Result<Check> add_pair(pfkey::Message& m, const Answer& reply);
  Result<Check> change(const pfkey::Message& m, const Fetched& sa);
  Result<Check> change_both(pfkey::Message& m, Fetched&& sa);
  Result<Check> complete(pfkey::Message& m, std::string& remark);
  Result<Check> update(pfkey::Message& m, const Answer& reply);
  Result<Check> delete_pair(pfkey::Message& m, const Answer& reply);

  class Ear;
  XfrmWorld world_;
  Netlink netlink_;
  SideTable side_table_;
  NetlinkBatch batch_;
  std::vector<Planned> planned_;
  // How often all SAs may still be searched for one with a similar name: a file may be full of names that do not exist.
  unsigned near_looks_ = 64;
  std::uint64_t now_ = 0;  // The time of the current batch, seconds since 1970.
};

}  // namespace ipseckey::kernel
