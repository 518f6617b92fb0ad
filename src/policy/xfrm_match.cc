#include "policy/xfrm_match.h"

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

bool fits(const MaskedPort& port, std::uint16_t number) { return ((port.value ^ number) & port.mask) == 0; }

}  // namespace

Meeting meets(const XfrmPolicyName& name, const Probe& packet) {
  const XfrmSelector& s = name.selector;
  const bool out = name.direction == XfrmDirection::out;
  const Address &source = out ? packet.local : packet.remote, &destination = out ? packet.remote : packet.local;
  if (name.if_id != packet.if_id || (packet.mark & name.mark_mask) != name.mark) return Meeting::no;
  if (!s.source.contains(source) || !s.destination.contains(destination)) return Meeting::no;
  if (s.protocol != 0 && s.protocol != packet.protocol) return Meeting::no;
  bool unknown = s.device != 0;
  if (packet.protocol == kGre || packet.protocol == kMobility) {
    unknown |= s.source_port.mask != 0 || s.destination_port.mask != 0;
  } else {
    const bool icmp = pfkey::is_icmp(packet.protocol);
    const auto& first = out ? packet.local_port : packet.remote_port;
    const auto& second = out ? packet.remote_port : packet.local_port;
    const auto source_number = icmp ? std::uint16_t{packet.icmp_type.value_or(0)} : first.value_or(0);
    const auto destination_number = icmp ? std::uint16_t{packet.icmp_code.value_or(0)} : second.value_or(0);
    if (!fits(s.source_port, source_number) || !fits(s.destination_port, destination_number)) return Meeting::no;
  }
  return unknown ? Meeting::maybe : Meeting::yes;
}

}  // namespace ipseckey::policy
