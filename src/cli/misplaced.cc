#include "cli/misplaced.h"

#include <fmt/format.h>

namespace ipseckey::cli {
namespace {

using S = lang::SaSpec;

lang::Objection warning(lang::Slot about, std::string message) {
  return {lang::Severity::warning, about, std::move(message)};
}

lang::Objection wrong_way(lang::Slot about, std::string_view way, const Address& own) {
  return warning(about, fmt::format("the SA is {}, but {} is this host's own address: is this the other host's file?",
                                    way, to_string(own)));
}

bool asked(const pfkey::Message& m) { return m.type == pfkey::Type::add && m.sa && m.src && m.dst; }

}  // namespace

std::optional<lang::Objection> runs_the_wrong_way(const pfkey::Message& m, const HostFacts& host) {
  const std::uint32_t way = m.sa ? m.sa->flags & (pfkey::kFlagInbound | pfkey::kFlagOutbound) : 0;
  if (way == 0 || !asked(m) || !host.is_local) return std::nullopt;
  const Address& src = m.src->address;
  const Address& dst = m.dst->address;
  if (way == pfkey::kFlagOutbound && host.is_local(dst) && !host.is_local(src))
    return wrong_way(&S::dst, "outbound", dst);
  if (way == pfkey::kFlagInbound && host.is_local(src) && !host.is_local(dst) && !is_multicast(dst))
    return wrong_way(&S::src, "inbound", src);
  return std::nullopt;
}

std::optional<lang::Objection> is_elsewhere(const pfkey::Message& m, const HostFacts& host) {
  if (!asked(m) || !host.is_local || !host.forwards || m.natt_local || m.natt_remote) return std::nullopt;
  const auto here = [&](const Address& a) {
    return is_unspecified(a) || is_multicast(a) || is_loopback(a) || host.is_local(a);
  };
  const Address& src = m.src->address;
  const Address& dst = m.dst->address;
  if (here(src) || here(dst) || host.forwards(dst.family)) return std::nullopt;
  const bool v4 = dst.family == Family::v4;
  return warning(&S::dst, fmt::format("neither {} nor {} is this host's own address, and it does not forward {} "
                                      "packets ({}): no packet will match this SA here",
                                      to_string(src), to_string(dst), v4 ? "IPv4" : "IPv6",
                                      v4 ? "sysctl net.ipv4.ip_forward" : "sysctl net.ipv6.conf.all.forwarding"));
}

}  // namespace ipseckey::cli
