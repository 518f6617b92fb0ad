#include "kernel/detail/xfrm_label.h"

#include <fmt/format.h>

#include <algorithm>

namespace ipseckey::kernel::xfrm {
namespace {

// A number of digits at `at`, which moves behind them.
unsigned number_at(std::string_view text, std::size_t& at) {
  unsigned value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    value = std::min(value * 10 + static_cast<unsigned>(text[at] - '0'), UINT32_MAX / 20);
  return value;
}

}  // namespace

std::string context_of(const pfkey::Sensitivity& label) {
  std::string text = fmt::format("system_u:object_r:ipsec_spd_t:s{}", label.level);
  char before = ':';
  for (std::size_t i = 0; i < label.bitmap.size() * 64; ++i) {
    if (!(label.bitmap[i / 64] >> (63 - i % 64) & 1)) continue;
    text += fmt::format("{}c{}", before, i);
    before = ',';
  }
  return text;
}

pfkey::Sensitivity label_of(std::string_view context) {
  constexpr unsigned kMostCompartments = 1024;  // Of SELinux' policies.
  pfkey::Sensitivity label;
  label.dpd = 1;
  std::size_t at = context.rfind(":s");
  if (at == std::string_view::npos) return label;
  label.level = static_cast<std::uint8_t>(std::min(number_at(context, at += 2), 255u));
  for (unsigned first = 0; at + 1 < context.size() && context[at + 1] == 'c';) {
    const bool range = context[at] == '.';
    const unsigned last = number_at(context, at += 2);
    if (last >= kMostCompartments) break;
    for (first = range ? first : last; first <= last; ++first) {
      if (label.bitmap.size() <= first / 64) label.bitmap.resize(first / 64 + 1);
      label.bitmap[first / 64] |= std::uint64_t{1} << (63 - first % 64);
    }
  }
  return label;
}

}  // namespace ipseckey::kernel::xfrm
