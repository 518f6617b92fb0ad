#pragma once
/// The Linux kernel's policies (XFRM) as values: what a rule becomes there, and what is listed from there. Layouts and
/// numbers of linux/xfrm.h are not needed here.
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "pfkey/message.h"
#include "policy/rule.h"

namespace ipseckey::policy {

/// When the kernel asks a policy; the numbers are its own.
enum class XfrmDirection : std::uint8_t {
  in,   ///< A packet is delivered to this host.
  out,  ///< It is sent, or was forwarded and is about to leave.
  fwd,  ///< It passes through, or came out of a tunnel and passes on.
};

/// "in", "out" or "fwd".
std::string_view words(XfrmDirection direction);

/// A port, or the type or code of ICMP, host order. Only the bits of the mask count; a mask of 0 fits everything.
struct MaskedPort {
  std::uint16_t value = 0, mask = 0;
  auto operator<=>(const MaskedPort&) const = default;
};

/// Which packets a policy is about, as they travel.
struct XfrmSelector {
  Prefix source, destination;                ///< Of one family.
  MaskedPort source_port, destination_port;  ///< For ICMP the type and the code.
  std::uint8_t protocol = 0;                 ///< 0: any.
  std::int32_t device = 0;                   ///< Number of an interface; 0: any. No rule has one.
  /// Is part of the name, and the kernel compares no packet with it; 0: a policy, kGuardUser: a guard.
  std::uint32_t user = 0;

  Family family() const { return source.address.family; }
  /// The kernel keeps other things in the place of ports: of GRE (RFC 2890) the key, of IPv6 mobility (RFC 6275) the
  /// type.
  bool has_gre_key() const;
  std::uint32_t gre_key() const { return std::uint32_t{source_port.value} << 16 | destination_port.value; }
  bool has_mobility_type() const;
  auto operator<=>(const XfrmSelector&) const = default;
};
inline constexpr std::uint8_t kGre = 47, kMobility = 135;

/// Two policies of one name cannot exist.
struct XfrmPolicyName {
  XfrmDirection direction = XfrmDirection::out;
  XfrmSelector selector;
  std::uint32_t mark = 0, mark_mask = 0;  ///< Both 0: none.
  std::uint32_t if_id = 0;
  auto operator<=>(const XfrmPolicyName&) const = default;
};

/// One SA that a packet must get, or must have had.
struct XfrmTemplate {
  std::uint8_t protocol = 0;    ///< Of the IP header: 50 ESP, 51 AH; others come from other programs only.
  std::uint8_t mode = 0;        ///< 0 transport, 1 tunnel; others come from other programs only.
  Address source, destination;  ///< The tunnel's ends; in transport mode unspecified.
  std::uint32_t spi = 0;        ///< 0: any.
  std::uint32_t reqid = 0;      ///< 0: outbound an SA without one, inbound any.
  bool optional = false;        ///< A packet without it is sent and accepted too.
  /// Bits of the algorithms that an SA may have, by their PF_KEY numbers. All ones in all three: any. The kernel
  /// checks `auth` only, and only inbound.
  std::uint32_t auth = UINT32_MAX, encrypt = UINT32_MAX, compress = UINT32_MAX;
  bool operator==(const XfrmTemplate&) const = default;
};
inline constexpr std::uint8_t kTransportMode = 0, kTunnelMode = 1;
inline constexpr std::uint8_t kProtoEsp = 50, kProtoAh = 51;

struct XfrmPolicy {
  XfrmPolicyName name;
  std::uint32_t priority = 0;  ///< The smallest that fits a packet is used.
  bool block = false;
  std::vector<XfrmTemplate> templates;  ///< Innermost first.

  /// Whether a packet that meets it can never be clear.
  bool strong() const;
  bool operator==(const XfrmPolicy&) const = default;
};

/// `XfrmSelector::user` of a guard.
inline constexpr std::uint32_t kGuardUser = 0x69706b67;

/// "out 10.0.0.1/32 -> 10.0.0.2/32 tcp port 80, mark 0x1/0xff, if_id 7": how a person finds it.
std::string to_string(const XfrmPolicyName& name);
/// "esp transport, reqid 5": what it demands, or "clear", or "dropped".
std::string demands(const XfrmPolicy& policy);
/// Both.
std::string to_string(const XfrmPolicy& policy);

}  // namespace ipseckey::policy
