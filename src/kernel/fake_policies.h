#pragma once
/// For tests: a kernel's table of policies behind a netlink socket. As in Linux, a policy's name is its direction, its
/// selector, mark and if_id; NEWPOLICY of a name that is there fails, UPDPOLICY replaces it and keeps its index; the
/// smallest priority is used, and of equal ones the oldest.
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/detail/policy_codec.h"
#include "kernel/detail/xfrm_attributes.h"
#include "kernel/fake_kernel.h"

namespace ipseckey::kernel::testing {

class FakePolicies {
 public:
  struct Held {
    policy::XfrmPolicy policy;
    std::uint32_t index = 0;
    Octets payload;  ///< As it is listed.
  };

  /// A socket to it; all must be closed before it ends. One request at a time, whoever sends it.
  Netlink client() {
    clients_.push_back(
        std::make_unique<FakeKernel>([this](const auto& requests, Peer& peer) { answer(requests, peer); }));
    return clients_.back()->client();
  }

  /// The table; only while no request is under way.
  const std::vector<Held>& table() const { return table_; }
  /// Each request that succeeded: "+out 10.0.0.1/32 ...", "=" for a change, "-" for a removal.
  std::vector<std::string>& log() { return log_; }
  /// Returns an errno for a change that is not to be made, else 0; empty: all are made.
  std::function<int()> refuse;
  bool dead = false;  ///< Nothing is done or answered any more but with EIO, as after the end of its client.

  /// What other programs do.
  void add(policy::XfrmPolicy p) { put(std::move(p), false); }
  void flush() { table_.clear(); }

 private:
  using Name = policy::XfrmPolicyName;

  auto find(const Name& name) {
    return std::ranges::find(table_, name, [](const Held& h) { return h.policy.name; });
  }

  int put(policy::XfrmPolicy p, bool update) {
    const auto found = find(p.name);
    if (found != table_.end() && !update) return EEXIST;
    Held held{std::move(p), 0, {}};
    // The lowest three bits are the direction.
    held.index = found != table_.end() ? found->index : next_ += 8;
    if (found == table_.end()) held.index |= static_cast<std::uint32_t>(held.policy.name.direction);
    held.payload = payload_of(held);
    log_.push_back((found == table_.end() ? "+" : "=") + to_string(held.policy.name));
    if (found != table_.end()) table_.erase(found);
    table_.push_back(std::move(held));
    return 0;
  }

  static Octets payload_of(const Held& held) {
    NetlinkBatch batch;
    xfrm::put_policy(XFRM_MSG_NEWPOLICY, held.policy, batch);
    const Bytes all = batch.bytes().subspan(sizeof(nlmsghdr));
    Octets payload(all.begin(), all.end());
    std::memcpy(payload.data() + offsetof(xfrm_userpolicy_info, index), &held.index, sizeof held.index);
    return payload;
  }

  int remove(const Request& r) {
    const auto id = xfrm::front<xfrm_userpolicy_id>(r.payload);
    if (!id) return EINVAL;
    // The name of a policy to be removed has the same parts as that of one to be added.
    auto info = xfrm::zeroed<xfrm_userpolicy_info>();
    info.sel = id->sel, info.dir = id->dir;
    Octets whole;
    append(whole, info);
    whole.insert(whole.end(), r.payload.begin() + sizeof *id, r.payload.end());
    const Name name = xfrm::policy_of(whole)->policy.name;
    const auto found = id->index != 0 ? std::ranges::find(table_, id->index, &Held::index) : find(name);
    if (found == table_.end()) return ENOENT;
    log_.push_back("-" + to_string(found->policy.name));
    table_.erase(found);
    return 0;
  }

  int carry_out(const Request& r) {
    if (const int error = refuse ? refuse() : 0; error != 0 || dead) return dead ? EIO : error;
    if (r.type == XFRM_MSG_DELPOLICY) return remove(r);
    auto listed = xfrm::policy_of(r.payload);
    if (!listed || (r.type != XFRM_MSG_NEWPOLICY && r.type != XFRM_MSG_UPDPOLICY)) return EINVAL;
    return put(std::move(listed->policy), r.type == XFRM_MSG_UPDPOLICY);
  }

  void answer(const std::vector<Request>& requests, Peer& peer) {
    Datagram answers;
    for (const Request& r : requests) {
      if (r.type != XFRM_MSG_GETPOLICY || dead) {
        answers.verdict(r.seq, carry_out(r));
        continue;
      }
      for (const Held& h : table_) peer.say(Datagram().message(XFRM_MSG_NEWPOLICY, NLM_F_MULTI, r.seq, h.payload));
      peer.say(Datagram().done(r.seq));
    }
    if (!answers.octets().empty()) peer.say(answers);
  }

  std::vector<Held> table_;
  std::vector<std::string> log_;
  std::uint32_t next_ = 0;
  std::vector<std::unique_ptr<FakeKernel>> clients_;  // The last member: their threads use the others.
};

}  // namespace ipseckey::kernel::testing
