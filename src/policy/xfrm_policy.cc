#include "policy/xfrm_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

std::string text(const Prefix& prefix) { return fmt::format("{}/{}", to_string(prefix.address), prefix.length); }

std::string text(const MaskedPort& port) {
  return port.mask == UINT16_MAX ? fmt::format("{}", port.value) : fmt::format("{}/{:#x}", port.value, port.mask);
}

std::string protocol_name(std::uint8_t protocol) {
  struct Row {
    std::uint8_t number;
    std::string_view name;
  };
  static constexpr std::array kRows = {Row{1, "icmp"}, Row{6, "tcp"}, Row{17, "udp"},     Row{58, "ipv6-icmp"},
                                       Row{50, "esp"}, Row{51, "ah"}, Row{108, "ipcomp"}, Row{132, "sctp"}};
  const auto row = std::ranges::find(kRows, protocol, &Row::number);
  return row == kRows.end() ? fmt::format("protocol {}", protocol) : std::string(row->name);
}

std::string text(const XfrmTemplate& t) {
  static constexpr std::array<std::string_view, 5> kModes = {"transport", "tunnel", "ro", "in_trigger", "beet"};
  std::string out = fmt::format("{} {}", protocol_name(t.protocol),
                                t.mode < kModes.size() ? kModes[t.mode] : std::string_view("in an unknown mode"));
  if (!is_unspecified(t.source) || !is_unspecified(t.destination))
    out += fmt::format(" {} -> {}", to_string(t.source), to_string(t.destination));
  if (t.spi != 0) out += fmt::format(" spi {:#x}", t.spi);
  if (t.reqid != 0) out += fmt::format(" reqid {}", t.reqid);
  if (t.optional) out += " if there is an SA";
  return out;
}

std::string ports_of(const XfrmSelector& s) {
  if (s.has_gre_key()) return fmt::format(" key {:#x}", s.gre_key());
  if (s.has_mobility_type()) return fmt::format(" type {}", s.source_port.value);
  const bool icmp = pfkey::is_icmp(s.protocol);
  std::string out;
  if (s.source_port.mask != 0) out += fmt::format(" {} {}", icmp ? "type" : "from port", text(s.source_port));
  if (s.destination_port.mask != 0) out += fmt::format(" {} {}", icmp ? "code" : "to port", text(s.destination_port));
  return out;
}

}  // namespace

bool XfrmSelector::has_gre_key() const {
  return protocol == kGre && (source_port.mask != 0 || destination_port.mask != 0);
}

bool XfrmSelector::has_mobility_type() const {
  return protocol == kMobility && (source_port.mask != 0 || destination_port.mask != 0);
}

std::string_view words(XfrmDirection direction) {
  static constexpr std::array<std::string_view, 3> kWords = {"in", "out", "fwd"};
  return kWords[static_cast<std::size_t>(direction)];
}

bool XfrmPolicy::strong() const {
  return block || std::ranges::any_of(templates, [](const XfrmTemplate& t) { return !t.optional; });
}

std::string to_string(const XfrmPolicyName& name) {
  const XfrmSelector& s = name.selector;
  std::string out = fmt::format("{} {} -> {}", words(name.direction), text(s.source), text(s.destination));
  if (s.protocol != 0) out.append(" ").append(protocol_name(s.protocol));
  out += ports_of(s);
  if (s.device != 0) out += fmt::format(", interface {}", s.device);
  if (name.mark != 0 || name.mark_mask != 0) out += fmt::format(", mark {:#x}/{:#x}", name.mark, name.mark_mask);
  if (name.if_id != 0) out += fmt::format(", if_id {}", name.if_id);
  return out;
}

std::string demands(const XfrmPolicy& policy) {
  if (policy.block) return "dropped";
  if (policy.templates.empty()) return "clear";
  std::string out;
  for (const XfrmTemplate& t : policy.templates) out.append(out.empty() ? "" : ", then ").append(text(t));
  return out;
}

std::string to_string(const XfrmPolicy& policy) {
  return fmt::format("{}: {}", to_string(policy.name), demands(policy));
}

}  // namespace ipseckey::policy
