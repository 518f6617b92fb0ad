/// Which chains and rules of netfilter concern packets that leave this host.
#include "ipsecd/packets/nf_firewall.h"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <vector>

#include "ipsecd/packets/netlink_testing.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::uint16_t kTables = NFNL_SUBSYS_NFTABLES << 8;

// Attributes inside one.
class Inside {
 public:
  Inside& number(std::uint16_t type, std::uint32_t value) { return add(sample_.attribute(type, big_endian(value))); }
  Inside& text(std::uint16_t type, std::string_view value) { return add(sample_.text(type, value)); }
  Inside& nest(std::uint16_t type, const Inside& inner) { return add(sample_.attribute(type, Bytes(inner.octets_))); }
  Bytes octets() const { return octets_; }

 private:
  Inside& add(const NetlinkSample& sample) {
    const auto all = sample.octets();
    octets_.assign(all.begin() + 16 + sizeof(nfgenmsg), all.end());
    return *this;
  }
  NetlinkSample sample_{0, nfgenmsg{}};
  std::vector<std::byte> octets_;
};

NetlinkSample sample(int type, int family, const char* table) {
  nfgenmsg head{};
  head.nfgen_family = static_cast<unsigned char>(family);
  NetlinkSample m(static_cast<std::uint16_t>(kTables | type), head);
  m.text(NFTA_CHAIN_TABLE, table);
  return m;
}

NetlinkSample chain(int family, std::optional<unsigned> hook, unsigned rules, std::optional<unsigned> policy) {
  NetlinkSample m = sample(NFT_MSG_NEWCHAIN, family, "filter");
  if (hook) m.attribute(NFTA_CHAIN_HOOK, Inside().number(NFTA_HOOK_HOOKNUM, *hook).octets());
  m.attribute(NFTA_CHAIN_USE, big_endian(rules));
  if (policy) m.attribute(NFTA_CHAIN_POLICY, big_endian(*policy));
  return m;
}

template <class F>
auto read(const NetlinkSample& m, F f) {
  const auto octets = m.octets();
  decltype(f(NetlinkPart())) found{};
  each_message(octets, [&](const NetlinkPart& part) { found = f(part); });
  return found;
}

TEST(Firewall, ChainsThroughWhichPacketsOfThisHostPass) {
  struct Case {
    unsigned hook, rules;
    std::optional<unsigned> policy;
    bool leaving, in_force;
  };
  for (const int family : {NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6})
    for (const Case& c :
         {Case{NF_INET_LOCAL_OUT, 0, NF_ACCEPT, true, false}, Case{NF_INET_LOCAL_OUT, 1, NF_ACCEPT, true, true},
          Case{NF_INET_LOCAL_OUT, 0, NF_DROP, true, true}, Case{NF_INET_POST_ROUTING, 1, {}, true, true},
          Case{NF_INET_POST_ROUTING, 0, {}, true, false}, Case{NF_INET_LOCAL_IN, 2, NF_DROP, false, true},
          Case{NF_INET_PRE_ROUTING, 0, NF_ACCEPT, false, false}}) {
      const auto found = read(chain(family, c.hook, c.rules, c.policy), read_host_chain);
      ASSERT_TRUE(found) << c.hook;
      EXPECT_EQ(found->table, "filter");
      EXPECT_EQ(found->leaving, c.leaving) << c.hook;
      EXPECT_EQ(found->in_force, c.in_force) << c.hook;
    }
}

TEST(Firewall, OtherChainsDoNotCount) {
  EXPECT_FALSE(read(chain(NFPROTO_INET, NF_INET_FORWARD, 5, NF_DROP), read_host_chain));
  EXPECT_FALSE(read(chain(NFPROTO_INET, std::nullopt, 5, std::nullopt), read_host_chain)) << "not a base chain";
  for (const int family : {NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_NETDEV})
    EXPECT_FALSE(read(chain(family, NF_INET_LOCAL_OUT, 5, NF_DROP), read_host_chain)) << family;
  EXPECT_FALSE(read(sample(NFT_MSG_NEWRULE, NFPROTO_INET, "filter"), read_host_chain));
}

NetlinkSample rule(const Inside& expression) {
  NetlinkSample m = sample(NFT_MSG_NEWRULE, NFPROTO_INET, "filter");
  m.attribute(NFTA_RULE_EXPRESSIONS, Inside()
                                         .nest(NFTA_LIST_ELEM, Inside().text(NFTA_EXPR_NAME, "counter"))
                                         .nest(NFTA_LIST_ELEM, expression)
                                         .octets());
  return m;
}

TEST(Firewall, RulesThatFollowConnections) {
  EXPECT_TRUE(read(rule(Inside().text(NFTA_EXPR_NAME, "ct")), follows_connections));
  EXPECT_FALSE(read(rule(Inside().text(NFTA_EXPR_NAME, "payload")), follows_connections));
  const auto of_iptables = [](const char* kind, const char* name) {
    return Inside().text(NFTA_EXPR_NAME, kind).nest(NFTA_EXPR_DATA, Inside().text(NFTA_MATCH_NAME, name));
  };
  for (const char* const name : {"conntrack", "state", "connmark"})
    EXPECT_TRUE(read(rule(of_iptables("match", name)), follows_connections)) << name;
  EXPECT_TRUE(read(rule(of_iptables("target", "CT")), follows_connections));
  EXPECT_FALSE(read(rule(of_iptables("match", "tcp")), follows_connections));
  EXPECT_FALSE(read(rule(of_iptables("target", "LOG")), follows_connections));
}

TEST(Firewall, ChangesOfTablesOfOthers) {
  for (const int type :
       {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE, NFT_MSG_DELRULE}) {
    EXPECT_TRUE(changes_rules(sample(type, NFPROTO_INET, "filter").octets(), ""));
    EXPECT_TRUE(changes_rules(sample(type, NFPROTO_INET, "filter").octets(), "ipsecd-50"));
    EXPECT_FALSE(changes_rules(sample(type, NFPROTO_IPV4, "ipsecd-50").octets(), "ipsecd-50"));
  }
  EXPECT_FALSE(changes_rules(sample(NFT_MSG_NEWSETELEM, NFPROTO_INET, "filter").octets(), ""));
  EXPECT_FALSE(changes_rules(sample(NFT_MSG_NEWGEN, NFPROTO_INET, "filter").octets(), ""));
}

TEST(Firewall, TruncatedMessagesAreNotChains) {
  const auto whole = chain(NFPROTO_INET, NF_INET_LOCAL_OUT, 1, NF_DROP).octets();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::optional<HostChain> found;
    each_message(Bytes(whole).first(size), [&](const NetlinkPart& m) { found = read_host_chain(m); });
    EXPECT_FALSE(found) << size;
  }
}

}  // namespace
}  // namespace ipseckey::ipsecd
