// The parts of an SA that are one value in the message and one field in the kernel's structures, as rows for both
// directions:
// 1. A row joins a member of the message to a field of the fixed part, to an attribute, or to a flag.
// 2. put_fields() fills in the fixed part and put_attributes() appends the rest: loops over the rows.
// 3. take_plain() does the reverse, for SAs that the kernel describes.
// 4. A number that an SA keeps and that has no row does not compile.
// 5. bars_direction() and not_of_linux() report what Linux does not do with such a part.
#include "kernel/detail/xfrm_plain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>

#include "pfkey/extensions.h"

namespace ipseckey::kernel::xfrm {
namespace {

using M = pfkey::Message;
using NumberIn = std::optional<pfkey::Number> M::*;

struct Told {
  const xfrm_usersa_info& info;
  const Attributes& had;
  const DecodeContext& context;

  std::string device_name(std::uint32_t index) const {
    return context.device_name ? context.device_name(index) : fmt::to_string(index);
  }
};

// ---- kinds of rows: into() fills in the fixed part, put() appends attributes, take() reads both

// A field of the fixed part; 0 means nothing.
struct Field {
  NumberIn member;
  decltype(&xfrm_usersa_info::reqid) field;
  void into(const M& m, const Devices&, xfrm_usersa_info& info) const {
    if (m.*member) info.*field = (m.*member)->value;
  }
  void take(M& m, const Told& told) const {
    if (told.info.*field != 0) m.*member = pfkey::Number{told.info.*field};
  }
};

// An attribute of 4 octets; 0 means nothing.
struct Attribute {
  NumberIn member;
  std::uint16_t type;
  void put(const M& m, const Devices&, NetlinkBatch& out) const {
    if (m.*member) out.attribute(type, bytes_of((m.*member)->value));
  }
  void take(M& m, const Told& told) const {
    if (const auto value = told.had.get<std::uint32_t>(type); value && *value != 0) m.*member = pfkey::Number{*value};
  }
};

// Marks for packets: value and mask are separate attributes; a missing mask means all bits.
struct OutputMark {
  void put(const M& m, const Devices&, NetlinkBatch& out) const {
    if (!m.output_mark) return;
    out.attribute(XFRMA_SET_MARK, bytes_of(m.output_mark->value));
    out.attribute(XFRMA_SET_MARK_MASK, bytes_of(m.output_mark->mask));
  }
  void take(M& m, const Told& told) const {
    const auto value = told.had.get<std::uint32_t>(XFRMA_SET_MARK);
    const std::uint32_t mask = told.had.get<std::uint32_t>(XFRMA_SET_MARK_MASK).value_or(UINT32_MAX);
    if (value && mask != 0) m.output_mark = pfkey::Mark{*value & mask, mask};  // Linux ignores the other bits, too.
  }
};

struct NamedMark {
  void take(M& m, const Told& told) const {
    if (const auto mark = told.had.get<xfrm_mark>(XFRMA_MARK)) m.mark = pfkey::Mark{mark->v, mark->m};
  }
};

struct SelectorDevice {
  void into(const M& m, const Devices& devices, xfrm_usersa_info& info) const {
    if (m.device) info.sel.ifindex = static_cast<int>(devices.selector);
  }
  void take(M& m, const Told& told) const {
    if (const auto index = static_cast<std::uint32_t>(told.info.sel.ifindex); index != 0)
      m.device = pfkey::Device{told.device_name(index)};
  }
};

struct OffloadDevice {
  void put(const M& m, const Devices& devices, NetlinkBatch& out) const {
    if (!m.offload) return;
    auto offload = zeroed<xfrm_user_offload>();
    offload.ifindex = static_cast<int>(devices.offload);
    if (m.sa->flags & pfkey::kFlagInbound) offload.flags |= XFRM_OFFLOAD_INBOUND;
    if (m.offload->mode == pfkey::Offload::Mode::packet) offload.flags |= kOffloadPacket;
    out.attribute(XFRMA_OFFLOAD_DEV, bytes_of(offload));
  }
  void take(M& m, const Told& told) const {
    const auto offload = told.had.get<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
    if (!offload) return;
    using Mode = pfkey::Offload::Mode;
    m.offload = pfkey::Offload{offload->flags & kOffloadPacket ? Mode::packet : Mode::crypto,
                               told.device_name(static_cast<std::uint32_t>(offload->ifindex))};
  }
};

constexpr std::tuple kPlaces{
    Field{&M::reqid, &xfrm_usersa_info::reqid},
    NamedMark{},
    Attribute{&M::if_id, XFRMA_IF_ID},
    Attribute{&M::tfc_pad, XFRMA_TFCPAD},
    OutputMark{},
    SelectorDevice{},
    OffloadDevice{},
};

template <class F>
void for_each_place(F f) {
  std::apply([&](const auto&... place) { (f(place), ...); }, kPlaces);
}

// ---- flags

enum class In : std::uint8_t { flags, extra_flags };
constexpr std::uint32_t kNever = 0;

// A bit that is set for one value of a number; without a member, the language has no word for it. `barred`: Linux
// refuses it for an SA that it knows to have that direction.
struct FlagRow {
  std::string_view name;
  In in;
  std::uint32_t bit;
  NumberIn member = nullptr;
  std::uint32_t value = 0;
  std::uint32_t barred = kNever;
};
constexpr std::array kFlags = {
    FlagRow{"nopmtudisc", In::flags, XFRM_STATE_NOPMTUDISC, &M::df, pfkey::kDfClear, pfkey::kFlagInbound},
    FlagRow{"decap-dscp", In::flags, XFRM_STATE_DECAP_DSCP, &M::dscp, pfkey::kDscpCopy, pfkey::kFlagOutbound},
    FlagRow{"dont-encap-dscp", In::extra_flags, XFRM_SA_XFLAG_DONT_ENCAP_DSCP, &M::dscp, 0, pfkey::kFlagInbound},
    FlagRow{"noecn", In::flags, XFRM_STATE_NOECN},
    FlagRow{"wildrecv", In::flags, XFRM_STATE_WILDRECV},
    FlagRow{"icmp", In::flags, XFRM_STATE_ICMP},
    FlagRow{"af-unspec", In::flags, XFRM_STATE_AF_UNSPEC},
    FlagRow{"oseq-may-wrap", In::extra_flags, XFRM_SA_XFLAG_OSEQ_MAY_WRAP},
};

bool wants(const M& m, const FlagRow& row) {
  return row.member != nullptr && m.*row.member && (m.*row.member)->value == row.value;
}

std::uint32_t bits_of(const M& m, In in) {
  std::uint32_t bits = 0;
  for (const FlagRow& row : kFlags)
    if (row.in == in && wants(m, row)) bits |= row.bit;
  return bits;
}

// ---- what Linux lacks

struct Missing {
  NumberIn member;
  std::uint32_t least, most;  // Values.
  std::string_view why;
};
constexpr std::array kMissing = {
    Missing{&M::df, pfkey::kDfSet, pfkey::kDfSet,
            "`df set` works only with ipsecd: Linux can only copy or clear the flag"},
    Missing{&M::dscp, 1, pfkey::kDscpMost,
            "`dscp` with a number from 1 to 63 works only with ipsecd: Linux can only set it to 0, copy it or keep it"},
    Missing{&M::keepalive, 0, UINT32_MAX,
            "`keepalive` works only with ipsecd: most kernels send none, and this program does not configure those of "
            "Linux 6.11"},
    Missing{&M::bundle, 0, UINT32_MAX,
            "`bundle` works only with ipsecd: on Linux, the template of a policy lists the SAs to apply together"},
};

// Those that are in the kernel's name of an algorithm, or in the length that it cuts an ICV to (xfrm_encode.cc).
constexpr std::array kOfAlgorithms = {&M::ah_align, &M::icv};

constexpr bool is_in(const NumberIn& member, const auto& rows) {
  return std::ranges::any_of(rows, [&](const auto& row) { return row.member == member; });
}
consteval bool every_number_has_a_row() {
  return std::ranges::all_of(pfkey::kExtensions, [](const pfkey::Extension& row) {
    const auto* const member = std::get_if<NumberIn>(&row.slot);
    if (!member || !row.kept) return true;
    const bool plain = std::apply(
        [&](const auto&... place) {
          const auto is = [&](const auto& one) {
            if constexpr (requires { one.member; }) return one.member == *member;
            return false;
          };
          return (is(place) || ...);
        },
        kPlaces);
    return plain || is_in(*member, kFlags) || is_in(*member, kMissing) ||
           std::ranges::find(kOfAlgorithms, *member) != kOfAlgorithms.end();
  });
}
static_assert(every_number_has_a_row(), "a number of an SA has neither a place in Linux's SA nor a reason why not");

}  // namespace

void put_fields(const M& m, const Devices& devices, xfrm_usersa_info& info) {
  for_each_place([&](const auto& place) {
    if constexpr (requires { place.into(m, devices, info); }) place.into(m, devices, info);
  });
  info.flags |= static_cast<std::uint8_t>(bits_of(m, In::flags));
}

void put_attributes(const M& m, const Devices& devices, NetlinkBatch& out) {
  for_each_place([&](const auto& place) {
    if constexpr (requires { place.put(m, devices, out); }) place.put(m, devices, out);
  });
  if (const std::uint32_t extra = bits_of(m, In::extra_flags)) out.attribute(XFRMA_SA_EXTRA_FLAGS, bytes_of(extra));
}

void put_mark(const M& m, NetlinkBatch& out) {
  if (!m.mark) return;
  auto mark = zeroed<xfrm_mark>();
  mark.v = m.mark->value, mark.m = m.mark->mask;
  out.attribute(XFRMA_MARK, bytes_of(mark));
}

void take_plain(M& m, const xfrm_usersa_info& info, const Attributes& had, const DecodeContext& context,
                void (*remark)(M&, std::string_view)) {
  const Told told{info, had, context};
  for_each_place([&](const auto& place) { place.take(m, told); });
  std::uint32_t flags = info.flags, extra = had.get<std::uint32_t>(XFRMA_SA_EXTRA_FLAGS).value_or(0);
  for (const FlagRow& row : kFlags) {
    std::uint32_t& bits = row.in == In::flags ? flags : extra;
    if (!(bits & row.bit)) continue;
    bits &= ~row.bit;
    // A flag that has no effect on such an SA, or the second of two flags that share one word, is reported separately.
    if (row.member && !(m.*row.member) && pfkey::fits(pfkey::extension_of(row.member).kept->needs, m)) {
      m.*row.member = pfkey::Number{row.value};
    } else {
      remark(m, fmt::format("it has the flag {}", row.name));
    }
  }
  if (extra != 0) remark(m, fmt::format("it has the extra flags {:#x}", extra));
}

bool bars_direction(const M& m, std::uint32_t direction) {
  for (const FlagRow& row : kFlags)
    if (row.barred == direction && wants(m, row)) return true;
  return false;
}

std::string_view not_of_linux(const M& add) {
  for (const Missing& row : kMissing) {
    const auto& value = add.*row.member;
    if (value && value->value >= row.least && value->value <= row.most) return row.why;
  }
  return "";
}

}  // namespace ipseckey::kernel::xfrm
