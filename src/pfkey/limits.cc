#include "pfkey/limits.h"

#include <algorithm>

namespace ipseckey::pfkey {
namespace {

// Every member of a Lifetime, for what is done to each alike.
template <class F>
void each_limit(Lifetime& a, const Lifetime& b, F f) {
  f(a.allocations, b.allocations);
  f(a.bytes, b.bytes);
  f(a.addtime, b.addtime);
  f(a.usetime, b.usetime);
}

}  // namespace

void replace_limits(Lifetime& limits, const std::optional<Lifetime>& given) {
  if (!given) return;
  each_limit(limits, *given, [](auto& ours, auto theirs) {
    if (theirs != 0) ours = theirs;
  });
}

void cap_limits(Lifetime& limits, const Lifetime& most) {
  each_limit(limits, most, [](auto& ours, auto theirs) {
    if (theirs != 0) ours = std::min(ours, theirs);
  });
}

}  // namespace ipseckey::pfkey
