// 1. Conditions on single members: a mask, a port, ICMP numbers, a tunnel, algorithms.
// 2. kPatternChecks and kPropertyChecks: each condition with the keyword at which its fault is shown.
// A check is not made of an entry whose words could not be read.
#include "policylang/checks.h"

#include <array>

#include "pfkey/icmp.h"

namespace ipseckey::policylang {
namespace {

using table::Network;
using table::Port;
using table::Severity;

bool with_length(const std::optional<Network>& n) { return n && n->prefix && !n->host.any; }
bool not_v4(const std::optional<Network>& n) {
  return n && (n->host.any || (n->host.literal && n->host.literal->family == Family::v6));
}

bool stray_port(const Pattern& p, const std::optional<Port>& port) {
  return port && port->value != 0 && p.protocol && p.protocol->value != 0 && !policy::has_ports(p.protocol->value);
}

bool of_icmp(const Pattern& p) { return p.protocol && pfkey::is_icmp(p.protocol->value); }
bool of_other_icmp(const Pattern& p, const IcmpNumbers& n) {
  return n.v6 && of_icmp(p) && *n.v6 != (p.protocol->value == pfkey::kProtoIcmpV6);
}

bool is_transport(const Pattern& p) { return p.negotiate == Negotiate::transport; }
bool selects(const Pattern& p) {
  return p.local || p.remote || p.source || p.destination || p.local_port || p.remote_port || p.source_port ||
         p.destination_port || p.protocol || p.types || p.codes;
}

template <class T>
bool given(const std::optional<T>& algorithm) {
  return algorithm && !algorithm->none;
}
const pfkey::Algorithm* cipher(const Properties& p) {
  if (!given(p.cipher) || !p.cipher->choice.number) return nullptr;
  return find_algorithm(pfkey::AlgorithmKind::encrypt, *p.cipher->choice.number);
}
bool combined(const Properties& p) { return cipher(p) && cipher(p)->combined(); }
bool in_tunnel(const Pattern& p, const Properties& q) {
  return p.negotiate == Negotiate::tunnel || q.tunnel_source || q.tunnel_destination;
}

constexpr std::string_view kMaskAlone = "a mask needs the address that it is for";
constexpr std::string_view kTwoLengths = "a mask and a /N are two lengths of one network: leave out one of them";
constexpr std::string_view kMaskV4 = "a mask is for an IPv4 address; write the length as ADDRESS/N";
constexpr std::string_view kNoPorts = "only TCP, UDP and SCTP have ports: ulp must be one of them, or be left out";
constexpr std::string_view kNoIcmp = "ICMP numbers need ulp icmp or ulp ipv6-icmp";
constexpr std::string_view kOtherIcmp = "this name and ulp are of different protocols: names of ICMPv6 end in 6";

constexpr std::array kPatternChecks = {
    PatternCheck{[](const Pattern& p) { return p.source_mask && !p.source; }, &Pattern::source_mask, kMaskAlone},
    PatternCheck{[](const Pattern& p) { return p.destination_mask && !p.destination; }, &Pattern::destination_mask,
                 kMaskAlone},
    PatternCheck{[](const Pattern& p) { return p.source_mask && with_length(p.source); }, &Pattern::source_mask,
                 kTwoLengths},
    PatternCheck{[](const Pattern& p) { return p.destination_mask && with_length(p.destination); },
                 &Pattern::destination_mask, kTwoLengths},
    PatternCheck{[](const Pattern& p) { return p.source_mask && not_v4(p.source); }, &Pattern::source_mask, kMaskV4},
    PatternCheck{[](const Pattern& p) { return p.destination_mask && not_v4(p.destination); },
                 &Pattern::destination_mask, kMaskV4},
    PatternCheck{[](const Pattern& p) { return stray_port(p, p.local_port); }, &Pattern::local_port, kNoPorts},
    PatternCheck{[](const Pattern& p) { return stray_port(p, p.remote_port); }, &Pattern::remote_port, kNoPorts},
    PatternCheck{[](const Pattern& p) { return stray_port(p, p.source_port); }, &Pattern::source_port, kNoPorts},
    PatternCheck{[](const Pattern& p) { return stray_port(p, p.destination_port); }, &Pattern::destination_port,
                 kNoPorts},
    PatternCheck{[](const Pattern& p) { return p.types && !of_icmp(p); }, &Pattern::types, kNoIcmp},
    PatternCheck{[](const Pattern& p) { return p.codes && !of_icmp(p); }, &Pattern::codes, kNoIcmp},
    PatternCheck{[](const Pattern& p) { return p.types && of_other_icmp(p, *p.types); }, &Pattern::types, kOtherIcmp},
    PatternCheck{[](const Pattern& p) { return p.codes && of_other_icmp(p, *p.codes); }, &Pattern::codes, kOtherIcmp},
    PatternCheck{[](const Pattern& p) { return p.codes && of_icmp(p) && !p.types; }, &Pattern::codes,
                 "code needs a type: a code means something else with each"},
    PatternCheck{[](const Pattern& p) { return p.tunnel && !p.negotiate; }, &Pattern::tunnel,
                 "tunnel needs negotiate tunnel or negotiate transport"},
    PatternCheck{[](const Pattern& p) { return p.negotiate && !p.tunnel; }, &Pattern::negotiate,
                 "negotiate needs the tunnel that it is for"},
    PatternCheck{[](const Pattern& p) { return is_transport(p) && selects(p); }, &Pattern::negotiate,
                 "with negotiate transport a rule is about all packets of the tunnel: leave out addresses, protocol, "
                 "ports and ICMP numbers"},
};

constexpr std::array kPropertyChecks = {
    PropertyCheck{Severity::error,
                  [](const Pattern&, const Properties& q) { return combined(q) && given(q.integrity); },
                  &Properties::integrity, "the cipher authenticates by itself: leave out encr_auth_algs"},
    PropertyCheck{Severity::warning,
                  [](const Pattern&, const Properties& q) {
                    return given(q.cipher) && !combined(q) && !given(q.integrity) && !given(q.ah);
                  },
                  &Properties::cipher,
                  "encryption without authentication: packets can be changed on their way; add encr_auth_algs"},
    PropertyCheck{Severity::warning,
                  [](const Pattern&, const Properties& q) { return given(q.cipher) && !q.cipher->choice.number; },
                  &Properties::cipher,
                  "any takes every cipher, DES and the null cipher included; name the one you use"},
    PropertyCheck{Severity::error,
                  [](const Pattern& p, const Properties& q) { return q.sharing == Sharing::unique && in_tunnel(p, q); },
                  &Properties::sharing, "an SA in tunnel mode serves all connections: leave out sa unique"},
    PropertyCheck{Severity::error,
                  [](const Pattern&, const Properties& q) {
                    return q.spi && given(q.ah) && (given(q.cipher) || given(q.integrity));
                  },
                  &Properties::spi, "an SPI names one SA, and AH with ESP needs two: leave out spi, AH or ESP"},
    PropertyCheck{Severity::error,
                  [](const Pattern&, const Properties& q) { return q.spi && q.sharing == Sharing::unique; },
                  &Properties::spi, "an SPI names one SA, and sa unique wants one for each connection: leave out one"},
    PropertyCheck{Severity::error,
                  [](const Pattern&, const Properties& q) { return q.tunnel_source && !q.tunnel_destination; },
                  &Properties::tunnel_source, "a tunnel has two ends: tsrc needs tdst"},
    PropertyCheck{Severity::error,
                  [](const Pattern&, const Properties& q) { return q.tunnel_destination && !q.tunnel_source; },
                  &Properties::tunnel_destination, "a tunnel has two ends: tdst needs tsrc"},
    PropertyCheck{Severity::error,
                  [](const Pattern& p, const Properties& q) { return q.tunnel_source && is_transport(p); },
                  &Properties::tunnel_source, "tsrc and tdst are for tunnel mode, not for negotiate transport"},
};

}  // namespace

std::span<const PatternCheck> pattern_checks() { return kPatternChecks; }
std::span<const PropertyCheck> property_checks() { return kPropertyChecks; }

bool has_algorithm(const Properties& p) { return given(p.ah) || given(p.cipher) || given(p.integrity); }

}  // namespace ipseckey::policylang
