#pragma once
/// What the alternatives of a rule demand of an SA, in the kernel's terms: it can demand one AH, one ESP or both, each
/// with a set of algorithms, and cannot choose between them.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::policy {

/// Sets of algorithms as bits, by their PF_KEY numbers.
struct AlgorithmBits {
  std::uint32_t auth = 0, encrypt = 0;
};

struct XfrmDemand {
  bool ah = false, esp = false, tunnel = false;
  std::optional<TunnelEnds> ends;  ///< Of the rule itself; those of its interface are not known here.
  std::uint32_t reqid = 0, spi = 0;
  bool optional_out = false, optional_in = false;  ///< Without an SA: sent in clear; accepted in clear.
  AlgorithmBits of_ah, of_esp;

  /// The templates, ESP innermost. `ends`: of a tunnel. `family`: of the packets.
  std::vector<XfrmTemplate> templates(XfrmDirection direction, Family family, const TunnelEnds& ends) const;
};

/// Of a rule that begins with `ipsec`. Errors: unsupported, the alternatives differ in more than algorithms; for
/// people.
Result<XfrmDemand> xfrm_demand(const Rule& rule);

/// What the kernel does otherwise than the rule demands, a clause each.
std::vector<std::string> demand_remarks(const Rule& rule);

}  // namespace ipseckey::policy
