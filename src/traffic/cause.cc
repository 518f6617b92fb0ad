#include "traffic/cause.h"

#include <array>

namespace ipseckey::traffic {
namespace {

struct Row {
  std::string_view name, sentence;
};
constexpr std::array<Row, kCauses + 2> kTable = {{
    {"none", "let through"},
    {"malformed", "not a complete IP packet"},
    {"no_sa", "no SA covers it"},
    {"not_usable", "its SA is not usable, is for the other direction, or has no source address to send from"},
    {"exhausted", "its SA has reached a hard limit or its last sequence number"},
    {"looped", "already protected for its SA's peer: a route leads it back into the device"},
    {"too_big", "larger than the path MTU"},
    {"fragment", "a fragment that cannot be reassembled, or is not allowed here"},
    {"wrong_source", "not from the SA's source address"},
    {"wrong_encapsulation", "in UDP although the SA does not use UDP, or the reverse"},
    {"truncated",
     "too short for the SA's algorithms, or not a whole number of blocks: compare encr_alg and icv at both ends"},
    {"replayed", "its sequence number was received before"},
    {"late", "its sequence number is below the replay window"},
    {"corrupt", "its ICV is wrong: compare keys, auth_alg and icv at both ends"},
    {"padding", "its padding is wrong"},
    {"inner", "its content is not a packet of the SA's mode"},
    {"congested", "marked as congested, but the inner packet cannot carry the mark"},
    {"selector", "the inner packet is not covered by the SA"},
    {"bundle", "protected by only one SA of a bundle: AH or ESP is missing"},
    {"explicit", "a rule says drop"},
    {"no_rule", "no rule is about it, and its tunnel has rules"},
    {"misrouted", "a rule lets it go in clear, which it cannot do from the device: route it past the device"},
    {"got_clear", "in clear, and its rule demands protection"},
    {"got_secure", "protected, and its rule says bypass, or no rule is about it"},
    {"got_ah", "under AH, and its rule demands ESP only"},
    {"got_esp", "under ESP, and its rule demands AH only"},
    {"bad_ahalg", "not under the AH that its rule demands: compare auth_algs with the SA's auth_alg and key length"},
    {"bad_espealg",
     "not under the cipher that its rule demands: compare encr_algs with the SA's encr_alg and key length"},
    {"bad_espaalg",
     "not under the integrity that its rule demands: compare encr_auth_algs with the SA's auth_alg and key length"},
    {"bad_sa", "its SA's mode, tunnel ends, reqid, SPI or mark are not those of its rule"},
    {"dummy", "a dummy packet, meant to be dropped"},
    {"not_ipsec", "neither ESP nor AH"},
    {"keep_alive", "a NAT keep-alive"},
    {"ike", "for a key manager"},
    {"no_room", "its buffer is too small"},
    {"crypto", "the cryptographic library refused"},
    {"not_ready", "taken by netfilter for rules that this ipsecd does not have yet: load them"},
    {"unsent", "the kernel did not accept it (no route, no room, or the device is down)"},
    {"overrun", "ipsecd's input queue was full"},
    {"held", "waiting for the rest of its datagram"},
    {"clear", "sent in clear, as the rules say"},
}};
static_assert(!kTable.back().name.empty());

}  // namespace

std::string_view name(Cause cause) { return kTable[static_cast<std::size_t>(cause)].name; }
std::string_view sentence(Cause cause) { return kTable[static_cast<std::size_t>(cause)].sentence; }

}  // namespace ipseckey::traffic
