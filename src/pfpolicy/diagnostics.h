#pragma once
/// THE table of PF_POLICY's diagnostics: why a request was refused, besides its errno.
#include <cstdint>
#include <span>
#include <string_view>

namespace ipseckey::pfpolicy {

/// Solaris' numbers up to no_tunnel_selectors; ours begin at 0x8000.
enum class Diagnostic : std::uint16_t {
  none = 0,
  unknown_ext = 1,
  bad_extlen = 2,
  no_rule = 3,
  address_length = 4,
  mixed_families = 5,
  no_memory = 6,
  action_count = 7,
  bad_type = 8,
  bad_flags = 9,
  inconsistent_flags = 10,
  malformed_local_port = 11,
  duplicate_local_port = 12,
  malformed_remote_port = 13,
  duplicate_remote_port = 14,
  malformed_protocol = 15,
  duplicate_protocol = 16,
  malformed_local = 17,
  duplicate_local = 18,
  malformed_remote = 19,
  duplicate_remote = 20,
  malformed_action = 21,
  duplicate_action = 22,
  malformed_rule = 23,
  duplicate_rule = 24,
  malformed_ruleset = 25,
  duplicate_ruleset = 26,
  bad_index = 27,
  bad_spd = 28,
  bad_message_type = 29,
  unsupported_ah = 30,
  unsupported_cipher = 31,
  unsupported_integrity = 32,
  ah_key_size = 33,
  cipher_key_size = 34,
  integrity_key_size = 35,
  no_action = 36,
  malformed_type_code = 42,
  duplicate_type_code = 43,
  not_global = 44,
  no_tunnel_selectors = 45,
  malformed_own = 0x8001,
  duplicate_own = 0x8002,
  standby_taken = 0x8003,
  unknown_tunnel = 0x8004,
  not_here = 0x8005,
  not_obeyed = 0x8006,
};

struct DiagnosticRow {
  Diagnostic diagnostic;
  std::string_view name;
  std::string_view sentence;
};
std::span<const DiagnosticRow> diagnostics();
/// For people; of an unknown number: "unknown diagnostic".
std::string_view sentence(Diagnostic diagnostic);

}  // namespace ipseckey::pfpolicy
