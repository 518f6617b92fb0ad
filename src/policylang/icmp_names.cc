#include "policylang/icmp_names.h"

#include <algorithm>
#include <array>

namespace ipseckey::policylang {
namespace {

// Numbers: IANA's registries of ICMP and ICMPv6 parameters.
constexpr auto kTypes = std::to_array<IcmpName>({
    {"echorep", 0, false},     {"unreach", 3, false},     {"squench", 4, false},    {"redir", 5, false},
    {"echo", 8, false},        {"timex", 11, false},      {"paramprob", 12, false}, {"timest", 13, false},
    {"timestrep", 14, false},  {"inforeq", 15, false},    {"inforep", 16, false},   {"maskreq", 17, false},
    {"maskrep", 18, false},    {"unreach6", 1, true},     {"pkttoobig6", 2, true},  {"timex6", 3, true},
    {"paramprob6", 4, true},   {"echo6", 128, true},      {"echorep6", 129, true},  {"router-sol6", 133, true},
    {"router-ad6", 134, true}, {"neigh-sol6", 135, true}, {"neigh-ad6", 136, true}, {"redir6", 137, true},
});
constexpr auto kCodes = std::to_array<IcmpName>({
    {"net-unr", 0, false},   {"host-unr", 1, false},       {"proto-unr", 2, false},    {"port-unr", 3, false},
    {"needfrag", 4, false},  {"srcfail", 5, false},        {"net-unk", 6, false},      {"host-unk", 7, false},
    {"isolate", 8, false},   {"net-prohib", 9, false},     {"host-prohib", 10, false}, {"net-tos", 11, false},
    {"host-tos", 12, false}, {"filter-prohib", 13, false}, {"host-preced", 14, false}, {"cutoff-preced", 15, false},
    {"no-route6", 0, true},  {"adm-prohib6", 1, true},     {"addr-unr6", 3, true},     {"port-unr6", 4, true},
    {"hop-limex6", 0, true}, {"frag-re-timex6", 1, true},  {"err-head6", 0, true},     {"unrec-head6", 1, true},
    {"unreq-opt6", 2, true},
});

}  // namespace

std::span<const IcmpName> icmp_types() { return kTypes; }
std::span<const IcmpName> icmp_codes() { return kCodes; }

const IcmpName* find_icmp(std::span<const IcmpName> names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &IcmpName::name);
  return found == names.end() ? nullptr : &*found;
}

}  // namespace ipseckey::policylang
