// The settings that decide about packets besides rules and SAs, from a machine's files and a kernel's answers.
#include "kernel/policy_view.h"

#include <gmock/gmock.h>
#include <linux/xfrm.h>

#include <fstream>

#include "backend/testing.h"
#include "kernel/fake_kernel.h"

namespace ipseckey::kernel {
namespace {

using testing::Datagram;
using ::testing::ElementsAre;
using testing::FakeKernel;
using ::testing::IsEmpty;
using testing::Octets;
using testing::Peer;
using testing::Request;

void write(const std::filesystem::path& root, const std::string& path, std::string_view content) {
  const std::filesystem::path whole = root / path;
  std::filesystem::create_directories(whole.parent_path());
  std::ofstream(whole) << content;
}

Octets octets(std::initializer_list<unsigned> values) {
  Octets out;
  for (const unsigned v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(PolicyView, ReadsCountersSettingsDefaultsAndThresholds) {
  const backend::testing::TempFolder folder;
  const std::filesystem::path root = folder / "";
  write(root, "proc/net/xfrm_stat", "XfrmInTmplMismatch\t3\nXfrmOutNoStates\t0\n");
  write(root, "proc/sys/net/core/xfrm_larval_drop", "1\n");
  write(root, "proc/sys/net/core/xfrm_acq_expires", "30\n");
  write(root, "proc/sys/net/ipv4/ip_forward", "1\n");
  write(root, "proc/sys/net/ipv6/conf/all/forwarding", "0\n");
  write(root, "proc/sys/net/ipv4/conf/lo/disable_policy", "1\n");
  write(root, "proc/sys/net/ipv4/conf/lo/disable_xfrm", "1\n");
  write(root, "proc/sys/net/ipv4/conf/lo/rp_filter", "0\n");
  write(root, "proc/sys/net/ipv6/conf/lo/disable_policy", "0\n");
  write(root, "proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
  FakeKernel kernel([](const std::vector<Request>& requests, Peer& peer) {
    const Request& r = requests[0];
    Octets answer = octets({1, 2, 1});  // In and out are blocked.
    if (r.type == XFRM_MSG_GETSPDINFO) {
      answer = octets({0, 0, 0, 0});
      for (const Octets& attribute : {octets({6, 0, 3, 0, 24, 32, 0, 0}), octets({6, 0, 4, 0, 64, 128, 0, 0})})
        answer.insert(answer.end(), attribute.begin(), attribute.end());
    }
    peer.say(Datagram().message(r.type, 0, r.seq, answer).verdict(r.seq, 0));
  });
  const PolicyView view = view_policies({root, "6.1.0"}, [&] { return Result<Netlink>(kernel.client()); });
  EXPECT_THAT(view.counters, ElementsAre(std::pair<std::string, std::uint64_t>("XfrmInTmplMismatch", 3),
                                         std::pair<std::string, std::uint64_t>("XfrmOutNoStates", 0)));
  EXPECT_EQ(view.larval_drop, true);
  EXPECT_EQ(view.acquire_seconds, 30u);
  EXPECT_TRUE(view.forwards_v4);
  EXPECT_FALSE(view.forwards_v6);
  EXPECT_THAT(view.interfaces,
              ElementsAre(InterfaceSettings{"eth0", {}, {}, {}, 1u}, InterfaceSettings{"lo", true, false, true, 0u}));
  EXPECT_EQ(view.defaults, (PolicyDefaults{.in = true, .fwd = false, .out = true}));
  EXPECT_EQ(view.thresholds, (HashThresholds{24, 32, 64, 128}));
}

TEST(PolicyView, WhatAKernelDoesNotHaveIsAbsent) {
  const backend::testing::TempFolder folder;
  const PolicyView view = view_policies({folder / "", "4.0"}, [] { return Result<Netlink>(fail(Errc::denied, "")); });
  EXPECT_THAT(view.counters, IsEmpty());
  EXPECT_EQ(view.larval_drop, std::nullopt);
  EXPECT_EQ(view.acquire_seconds, std::nullopt);
  EXPECT_FALSE(view.forwards_v4 || view.forwards_v6);
  EXPECT_THAT(view.interfaces, IsEmpty());
  EXPECT_EQ(view.defaults, std::nullopt);
  EXPECT_EQ(view.thresholds, std::nullopt);
}

}  // namespace
}  // namespace ipseckey::kernel
