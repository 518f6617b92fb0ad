#include "pfpolicy/extensions.h"

#include <array>

namespace ipseckey::pfpolicy {
namespace {

using M = Message;
using enum Diagnostic;

// Solaris' numbers; ours begin at 0x8000.
constexpr std::array kTable = {
    Extension{1, "LCLPORT", &M::local_port, malformed_local_port, duplicate_local_port},
    Extension{2, "REMPORT", &M::remote_port, malformed_remote_port, duplicate_remote_port},
    Extension{3, "PROTO", &M::protocol, malformed_protocol, duplicate_protocol},
    Extension{4, "LCLADDR", &M::local, malformed_local, duplicate_local},
    Extension{5, "REMADDR", &M::remote, malformed_remote, duplicate_remote},
    Extension{6, "ACTION", &M::action, malformed_action, duplicate_action},
    Extension{7, "RULE", &M::rule, malformed_rule, duplicate_rule},
    Extension{8, "RULESET", &M::ruleset, malformed_ruleset, duplicate_ruleset},
    Extension{9, "ICMP_TYPECODE", &M::type_code, malformed_type_code, duplicate_type_code},
    Extension{10, "TUN_NAME", &M::tunnel, bad_extlen, bad_extlen},
    Extension{0x8001, "MARK", &M::mark, malformed_own, duplicate_own},
    Extension{0x8002, "IF_ID", &M::if_id, malformed_own, duplicate_own},
    Extension{0x8003, "LINE", &M::line, malformed_own, duplicate_own},
    Extension{0x8004, "REMARK", &M::remark, malformed_own, duplicate_own},
    Extension{0x8005, "DROPPED_OUT", &M::dropped_out, malformed_own, duplicate_own},
    Extension{0x8006, "DROPPED_IN", &M::dropped_in, malformed_own, duplicate_own},
};

}  // namespace

std::span<const Extension> extensions() { return kTable; }

}  // namespace ipseckey::pfpolicy
