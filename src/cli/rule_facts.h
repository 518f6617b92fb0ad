#pragma once
/// What this machine's kernel is set to and has counted, as far as rules depend on it.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/net.h"

namespace ipseckey::cli {

struct RuleFacts {
  std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< As kernel::error_counters().
  std::optional<bool> larval_drop;  ///< Without an SA, what is sent is dropped; else it waits. Absent: not known.
  std::vector<std::string> without_check;  ///< Interfaces with disable_policy: what comes in is not checked.
  std::vector<std::string> without_ipsec;  ///< Interfaces with disable_xfrm: what leaves is not protected.
  std::vector<std::string> strict_source;  ///< Interfaces with rp_filter 1.
  bool forwards_v4 = false, forwards_v6 = false;
};

/// This machine's. `root`: before /proc, for tests.
RuleFacts rule_facts(const std::string& root = {});

}  // namespace ipseckey::cli
