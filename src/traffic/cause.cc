#include "traffic/cause.h"

#include <array>

namespace ipseckey::traffic {
namespace {

struct Row {
  std::string_view name, sentence;
};
constexpr std::array<Row, kCauses + 1> kTable = {{
    {"none", "let through"},
    {"malformed", "not a whole IP packet"},
    {"no_sa", "no SA covers it"},
    {"not_usable", "its SA is not usable, runs the other way, or lacks a source address to send from"},
    {"exhausted", "its SA has reached a hard limit or its last sequence number"},
    {"looped", "protected already for its SA's own peer: a route leads it back into the device"},
    {"too_big", "longer than the path takes"},
    {"fragment", "a fragment of a datagram that cannot be put together, or where only whole ones may be"},
    {"wrong_source", "from another source than the SA's"},
    {"wrong_encapsulation", "in UDP although the SA is not, or the other way round"},
    {"truncated",
     "too short for the SA's algorithms, or no whole number of blocks: compare encr_alg and icv at both ends"},
    {"replayed", "its sequence number was let in before"},
    {"late", "its sequence number lies left of the replay window"},
    {"corrupt", "its ICV is wrong: compare keys, auth_alg and icv at both ends"},
    {"padding", "its padding is wrong"},
    {"inner", "what was inside is no packet of the SA's mode"},
    {"congested", "marked as congested, and what was inside cannot carry the mark"},
    {"selector", "what was inside is not covered by the SA"},
    {"bundle", "AH or ESP alone of a bundle: the other one is missing, and with it half of the protection"},
    {"dummy", "a dummy packet, meant to be dropped"},
    {"not_ipsec", "neither ESP nor AH"},
    {"keep_alive", "a NAT keep-alive"},
    {"ike", "for a key manager"},
    {"no_room", "too little room in its buffer"},
    {"crypto", "the cryptographic library refused"},
    {"unsent", "the kernel did not take it (no route, no room, a device that is down)"},
    {"overrun", "the queue in front of ipsecd was full"},
    {"held", "waits for the rest of its datagram"},
}};
static_assert(!kTable.back().name.empty());

}  // namespace

std::string_view name(Cause cause) { return kTable[static_cast<std::size_t>(cause)].name; }
std::string_view sentence(Cause cause) { return kTable[static_cast<std::size_t>(cause)].sentence; }

}  // namespace ipseckey::traffic
