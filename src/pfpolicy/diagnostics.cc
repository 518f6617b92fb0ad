#include "pfpolicy/diagnostics.h"

#include <algorithm>
#include <array>

namespace ipseckey::pfpolicy {
namespace {

using enum Diagnostic;

constexpr auto kTable = std::to_array<DiagnosticRow>({
    {none, "none", "no diagnostic"},
    {unknown_ext, "unknown_ext", "an extension is unknown"},
    {bad_extlen, "bad_extlen", "an extension has a wrong length"},
    {no_rule, "no_rule", "the RULE extension is missing"},
    {address_length, "address_length", "a prefix is longer than its address"},
    {mixed_families, "mixed_families", "the two addresses are of different families"},
    {no_memory, "no_memory", "there is no memory for another rule"},
    {action_count, "action_count", "the count of an action is not that of its attributes"},
    {bad_type, "bad_type", "an action is neither drop, pass nor ipsec"},
    {bad_flags, "bad_flags", "flags are unknown, or there is no direction"},
    {inconsistent_flags, "inconsistent_flags", "flags contradict each other or the rule"},
    {malformed_local_port, "malformed_local_port", "LCLPORT is malformed"},
    {duplicate_local_port, "duplicate_local_port", "LCLPORT is there twice"},
    {malformed_remote_port, "malformed_remote_port", "REMPORT is malformed"},
    {duplicate_remote_port, "duplicate_remote_port", "REMPORT is there twice"},
    {malformed_protocol, "malformed_protocol", "PROTO is malformed"},
    {duplicate_protocol, "duplicate_protocol", "PROTO is there twice"},
    {malformed_local, "malformed_local", "LCLADDR is malformed"},
    {duplicate_local, "duplicate_local", "LCLADDR is there twice"},
    {malformed_remote, "malformed_remote", "REMADDR is malformed"},
    {duplicate_remote, "duplicate_remote", "REMADDR is there twice"},
    {malformed_action, "malformed_action", "ACTION is malformed"},
    {duplicate_action, "duplicate_action", "ACTION is there twice"},
    {malformed_rule, "malformed_rule", "RULE is malformed"},
    {duplicate_rule, "duplicate_rule", "RULE is there twice"},
    {malformed_ruleset, "malformed_ruleset", "RULESET is malformed"},
    {duplicate_ruleset, "duplicate_ruleset", "RULESET is there twice"},
    {bad_index, "bad_index", "there is no rule with that index, or an addition names one"},
    {bad_spd, "bad_spd", "the rules are neither the active nor the standby ones"},
    {bad_message_type, "bad_message_type", "the type of the message is unknown or not supported"},
    {unsupported_ah, "unsupported_ah", "the AH algorithm is unknown"},
    {unsupported_cipher, "unsupported_cipher", "the cipher is unknown"},
    {unsupported_integrity, "unsupported_integrity", "the integrity algorithm is unknown"},
    {ah_key_size, "ah_key_size", "no key of the AH algorithm has such a length"},
    {cipher_key_size, "cipher_key_size", "no key of the cipher has such a length"},
    {integrity_key_size, "integrity_key_size", "no key of the integrity algorithm has such a length"},
    {no_action, "no_action", "the ACTION extension is missing"},
    {malformed_type_code, "malformed_type_code", "ICMP_TYPECODE is malformed"},
    {duplicate_type_code, "duplicate_type_code", "ICMP_TYPECODE is there twice"},
    {not_global, "not_global", "the request is about one set of rules: name the tunnel, or leave out its name"},
    {no_tunnel_selectors, "no_tunnel_selectors", "rules about a tunnel's own packets have no pattern"},
    {malformed_own, "malformed_own", "an extension of ours is malformed"},
    {duplicate_own, "duplicate_own", "an extension of ours is there twice"},
    {standby_taken, "standby_taken", "another client is changing the rules"},
    {unknown_tunnel, "unknown_tunnel", "there is no interface of the tunnel's name"},
    {not_here, "not_here", "this database cannot do it"},
    {not_obeyed, "not_obeyed", "nothing would obey rules here"},
});

}  // namespace

std::span<const DiagnosticRow> diagnostics() { return kTable; }

std::string_view sentence(Diagnostic diagnostic) {
  const auto row = std::ranges::find(kTable, diagnostic, &DiagnosticRow::diagnostic);
  return row == kTable.end() ? "unknown diagnostic" : row->sentence;
}

}  // namespace ipseckey::pfpolicy
