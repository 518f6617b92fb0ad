/// When a table of ip_tables does nothing: every policy accepts, and there are no rules.
#include "ipsecd/packets/legacy_tables.h"

#include <gtest/gtest.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace ipseckey::ipsecd {
namespace {

// An entry without matches, and its target.
template <class Entry>
struct Standard {
  std::array<std::byte, sizeof(Entry)> entry;  // It ends with an array without a size.
  xt_standard_target target;
  static constexpr std::size_t kNextAt = offsetof(Entry, next_offset);
};

// Entries as the kernel returns them: a policy for each verdict, then the end.
template <class One>
std::vector<std::byte> entries(const std::vector<int>& verdicts) {
  std::vector<std::byte> all;
  const auto add = [&](int verdict) {
    One one{};
    const auto next = static_cast<std::uint16_t>(sizeof one);
    std::memcpy(one.entry.data() + One::kNextAt, &next, sizeof next);
    one.target.target.u.target_size = sizeof one.target;
    one.target.verdict = verdict;
    const Bytes octets = std::as_bytes(std::span(&one, 1));
    all.insert(all.end(), octets.begin(), octets.end());
  };
  for (const int verdict : verdicts) add(verdict);
  return all;
}

constexpr int kAccept = -NF_ACCEPT - 1, kDrop = -NF_DROP - 1;
// INPUT, FORWARD, OUTPUT.
constexpr unsigned kHooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT;

template <class One>
void check(bool v6) {
  const auto table = [&](unsigned count) {
    const unsigned size = sizeof(One);
    return LegacyTable{.v6 = v6, .hooks = kHooks, .count = count, .policies = {0, 0, size, 2 * size, 0}};
  };
  EXPECT_FALSE(does_something(table(4), entries<One>({kAccept, kAccept, kAccept})));
  EXPECT_TRUE(does_something(table(5), entries<One>({kAccept, kAccept, kAccept}))) << "there is a rule";
  for (std::size_t hook = 0; hook < 3; ++hook) {
    std::vector<int> verdicts(3, kAccept);
    verdicts[hook] = kDrop;
    EXPECT_TRUE(does_something(table(4), entries<One>(verdicts))) << hook;
  }
  const auto whole = entries<One>({kAccept, kAccept, kAccept});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(does_something(table(4), Bytes(whole).first(size))) << size;
  std::vector<std::byte> odd = whole;
  odd[sizeof(One) - sizeof(xt_standard_target)] = std::byte{99};
  EXPECT_TRUE(does_something(table(4), odd)) << "a policy with another kind of target";
}

TEST(LegacyTables, AnEmptyTableThatAcceptsDoesNothing) {
  check<Standard<ipt_entry>>(false);
  check<Standard<ip6t_entry>>(true);
}

}  // namespace
}  // namespace ipseckey::ipsecd
