#pragma once
/// The rules of ip_tables and ip6_tables, which `iptables-legacy` writes: whether there are any.
#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// What the kernel says about one table (IPT_SO_GET_INFO), and its entries (IPT_SO_GET_ENTRIES): whether it does
/// anything to a packet. `hooks`: a bit for each of netfilter's hooks that the table has. `policies`: the offsets in
/// `entries` of their policies, by hook. True if the entries are not as expected.
struct LegacyTable {
  bool v6 = false;
  unsigned hooks = 0, count = 0;
  std::array<unsigned, 5> policies{};
};
bool does_something(const LegacyTable& table, Bytes entries);

/// For the network namespace in which it was made. A table is never created by asking for it.
class LegacyTables {
 public:
  LegacyTables() = default;
  /// Opens what is needed to ask later, when files can no longer be opened.
  static LegacyTables open();
  /// Whether a table has a rule or a policy other than to accept, or may have: if the kernel's modules were loaded
  /// after open(), nothing is known.
  bool in_force() const;

 private:
  struct One {
    Descriptor names, socket;  // Without `names`, the modules were not there.
    int level = 0;
  };
  static bool in_force(const One& family);
  std::array<One, 2> families_;
};

}  // namespace ipseckey::ipsecd
