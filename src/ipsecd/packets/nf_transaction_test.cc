/// The messages of a transaction, in order: names of objects, and of the expressions of rules. Whether the kernel
/// accepts them is shown by tests/dataplane/hook_test.py.
#include "ipsecd/packets/nf_transaction.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "policy/testing.h"

namespace ipseckey::ipsecd {
namespace {

using namespace policy::testing;

struct Attribute {
  std::uint16_t type = 0;
  Bytes value;
};

std::vector<Attribute> attributes(Bytes in) {
  std::vector<Attribute> found;
  constexpr std::size_t kHeader = 4;
  while (in.size() >= kHeader) {
    Reader r(in);
    std::uint16_t length = 0, type = 0;
    r.host(length), r.host(type);
    if (length < kHeader || length > in.size()) break;
    found.push_back({static_cast<std::uint16_t>(type & 0x3fff), in.subspan(kHeader, length - kHeader)});
    in = in.subspan(std::min<std::size_t>((length + 3u) / 4 * 4, in.size()));
  }
  return found;
}

std::string text_of(Bytes value) {
  std::string out;
  for (const std::byte b : value)
    if (b != std::byte{0}) out += static_cast<char>(b);
  return out;
}

// The names of the expressions, from the list of them: each has its name as attribute 1.
std::string expressions(Bytes list) {
  std::string out;
  for (const Attribute& element : attributes(list))
    for (const Attribute& part : attributes(element.value))
      if (part.type == 1) out += " " + text_of(part.value);
  return out;
}

// Subsystem 10 is nf_tables; types are those of linux/netfilter/nf_tables.h, families 2 and 10.
std::string shown(const std::vector<std::byte>& messages) {
  static const std::vector<std::pair<unsigned, std::string>> kNames = {
      {0x10, "begin"},          {0x11, "end"},        {0xa00, "new table"}, {0xa02, "delete table"},
      {0xa1a, "destroy table"}, {0xa03, "new chain"}, {0xa06, "new rule"}};
  std::string out;
  for (Bytes in = messages; !in.empty();) {
    Reader r(in);
    std::uint32_t length = 0;
    std::uint16_t type = 0;
    r.host(length), r.host(type), r.pad(10);
    const Bytes body = r.take(length - 16);
    if (!r.ok()) return out + "malformed";
    for (const auto& [number, name] : kNames)
      if (number == type) out += name;
    const bool of_table = type >= 0xa00;
    if (of_table) out += std::to_integer<int>(body[0]) == 2 ? " ip" : " ip6";
    for (const Attribute& a : attributes(body.subspan(4))) {
      if (of_table && (a.type == 1 || (a.type == 2 && type == 0xa06) || (a.type == 3 && type == 0xa03)))
        out += " " + text_of(a.value);
      if (type == 0xa00 && a.type == 2) out += fmt::format(" flags {}", std::to_integer<int>(a.value[3]));
      if (type == 0xa06 && a.type == 4) out += ":" + expressions(a.value);
    }
    out += "\n";
    in = in.subspan(length);
  }
  return out;
}

constexpr QueueNumbers kQueues{.first = 50, .workers = 2};

std::string transaction(std::vector<policy::Rule> rules, const NfTablesFacts& facts) {
  const auto made = filter_rules(rules, {.mark = 5, .device = "", .udp_ports = {}});
  return shown(filter_transaction("ipsecd-50", made, kQueues, facts));
}

TEST(NfTransaction, WithoutRulesTheTablesGo) {
  EXPECT_EQ(transaction({}, {}),
            "begin\nnew table ip ipsecd-50\ndelete table ip ipsecd-50\n"
            "new table ip6 ipsecd-50\ndelete table ip6 ipsecd-50\nend\n");
  EXPECT_EQ(transaction({}, {.v6 = false}), "begin\nnew table ip ipsecd-50\ndelete table ip ipsecd-50\nend\n");
}

TEST(NfTransaction, RulesReplaceTheFormerOnes) {
  const std::string front = "begin\nnew table ip ipsecd-50\ndelete table ip ipsecd-50\nnew table ip ipsecd-50\n";
  policy::Rule out = esp_rule("192.0.2.0/24");
  out.in = false;
  const auto rest = [](std::string_view queue) {
    return fmt::format(
        "new chain ip ipsecd-50 output\n"
        "new rule ip ipsecd-50 output: meta cmp immediate\n"
        "new rule ip ipsecd-50 output: meta cmp immediate\n"
        "new rule ip ipsecd-50 output: payload bitwise cmp {0}\n"
        "new chain ip ipsecd-50 input\n"
        "new rule ip ipsecd-50 input: meta cmp immediate\n"
        "new rule ip ipsecd-50 input: meta cmp {0}\n"
        "new rule ip ipsecd-50 input: meta cmp {0}\n"
        "end\n",
        queue);
  };
  EXPECT_EQ(transaction({out}, {.queue_expression = true, .v6 = false}), front + rest("queue"));
  EXPECT_EQ(transaction({out}, {.queue_expression = false, .v6 = false}), front + rest("target"));
}

// Flags are NFT_TABLE_F_OWNER (2) and NFT_TABLE_F_PERSIST (4): never only the first, with which the end of ipsecd
// would remove the table and open the host.
TEST(NfTransaction, TablesHaveAnOwnerAndOutliveIt) {
  EXPECT_EQ(transaction({}, {.owned = true}), "begin\ndestroy table ip ipsecd-50\ndestroy table ip6 ipsecd-50\nend\n");
  const std::string both = transaction({esp_rule("192.0.2.0/24"), esp_rule("2001:db8::7/128")}, {.owned = true});
  EXPECT_THAT(both, ::testing::StartsWith("begin\ndestroy table ip ipsecd-50\nnew table ip ipsecd-50 flags 6\n"));
  EXPECT_THAT(both, ::testing::HasSubstr("destroy table ip6 ipsecd-50\nnew table ip6 ipsecd-50 flags 6\n"));
  EXPECT_EQ(shown(claim_of_table("ipsecd-50", Family::v6, true)), "begin\nnew table ip6 ipsecd-50 flags 6\nend\n");
  EXPECT_EQ(shown(claim_of_table("ipsecd-50", Family::v6, false)), "begin\nnew table ip6 ipsecd-50\nend\n");
  EXPECT_EQ(shown(trial_of_ownership("t")), "begin\nnew table ip t flags 6\ndestroy table ip t\nend\n");
}

TEST(NfTransaction, EveryComparisonIsThere) {
  policy::Rule rule = esp_rule("2001:db8::7/128");
  rule.in = false;
  rule.mark = pfkey::Mark{.value = 1, .mask = 3};
  rule.selector.protocol = 58, rule.selector.icmp_type = policy::NumberRange{128, 129};
  EXPECT_THAT(transaction({rule}, {.queue_expression = true, .whole_v6 = true}),
              ::testing::HasSubstr(
                  "new table ip6 ipsecd-50\n"
                  "new chain ip6 ipsecd-50 whole\n"
                  "new rule ip6 ipsecd-50 whole: immediate tproxy\n"
                  "new chain ip6 ipsecd-50 output\n"
                  "new rule ip6 ipsecd-50 output: meta cmp immediate\n"
                  "new rule ip6 ipsecd-50 output: meta cmp immediate\n"
                  "new rule ip6 ipsecd-50 output: meta bitwise cmp payload cmp meta cmp payload cmp cmp queue\n"
                  "new rule ip6 ipsecd-50 output: meta bitwise cmp payload cmp meta cmp exthdr bitwise cmp queue\n"));
}

TEST(NfTransaction, QueuesOfEachKindAreNumberedByThread) {
  EXPECT_EQ(kQueues.out(1), 51);
  EXPECT_EQ(kQueues.in(0), 52);
  EXPECT_EQ(kQueues.tcp(1), 55);
}

}  // namespace
}  // namespace ipseckey::ipsecd
