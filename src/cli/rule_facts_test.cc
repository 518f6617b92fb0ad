// The settings of a kernel, from files that a test made.
#include "cli/rule_facts.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ipseckey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class Root {
 public:
  Root() : path_((fs::temp_directory_path() / "rule_facts.XXXXXX").string()) {
    if (!mkdtemp(path_.data())) std::abort();
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { fs::remove_all(path_); }

  void put(const std::string& file, std::string_view text) const {
    const fs::path full = path_ + "/proc/" + file;
    fs::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(RuleFacts, AreReadFromProc) {
  const Root root;
  for (const std::string name : {"all", "default", "lo", "eth0", "eth1"})
    for (const std::string setting : {"disable_xfrm", "disable_policy", "rp_filter", "forwarding"})
      root.put("sys/net/ipv4/conf/" + name + "/" + setting, name == "lo" || name == "default" ? "1\n" : "0\n");
  root.put("sys/net/ipv4/conf/eth0/disable_xfrm", "1\n");
  root.put("sys/net/ipv4/conf/eth1/disable_policy", "1\n");
  root.put("sys/net/ipv4/conf/eth1/rp_filter", "1\n");
  root.put("sys/net/ipv4/conf/eth0/rp_filter", "2\n");
  root.put("sys/net/ipv4/conf/all/forwarding", "1\n");
  root.put("sys/net/ipv6/conf/all/forwarding", "0\n");
  root.put("sys/net/core/xfrm_larval_drop", "0\n");
  root.put("net/xfrm_stat", "XfrmInError             \t0\nXfrmOutNoStates         \t12\n");
  const RuleFacts facts = rule_facts(root.path());
  EXPECT_THAT(facts.without_ipsec, ElementsAre("eth0"));
  EXPECT_THAT(facts.without_check, ElementsAre("eth1"));
  EXPECT_THAT(facts.strict_source, ElementsAre("eth1"));
  EXPECT_TRUE(facts.forwards_v4);
  EXPECT_FALSE(facts.forwards_v6);
  EXPECT_EQ(facts.larval_drop, false);
  EXPECT_THAT(facts.counters,
              ElementsAre(std::pair(std::string("XfrmInError"), 0u), std::pair(std::string("XfrmOutNoStates"), 12u)));
}

TEST(RuleFacts, AreUnknownWithoutFiles) {
  const Root root;
  const RuleFacts facts = rule_facts(root.path());
  EXPECT_THAT(facts.without_ipsec, IsEmpty());
  EXPECT_THAT(facts.counters, IsEmpty());
  EXPECT_EQ(facts.larval_drop, std::nullopt);
  EXPECT_FALSE(facts.forwards_v4 || facts.forwards_v6);
}

}  // namespace
}  // namespace ipseckey::cli
