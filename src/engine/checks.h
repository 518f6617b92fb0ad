#pragma once
/// What is asked of a request before it may change anything: the sections "Input", "Addresses" and "ADD" of
/// doc/pf-key.md, as tables of rules.
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/engine.h"
#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace engine {

/// Words that outlive every reply: those of a literal or of a table, not of a string, which may be gone by then.
class LastingText : public std::string_view {
 public:
  constexpr LastingText() = default;
  template <class Text>
    requires(std::convertible_to<Text, std::string_view> && !std::same_as<std::remove_cvref_t<Text>, std::string>)
  constexpr LastingText(const Text& text) : std::string_view(text) {}
};

/// The error reply a request gets.
struct Refusal {
  std::uint8_t error;  ///< errno, the host's numbers.
  pfkey::Diagnostic diagnostic;
  LastingText remark = {};  ///< Which of the diagnostic's causes it is, where they ask for different cures.
  bool operator==(const Refusal&) const = default;
};

using Check = std::optional<Refusal>;  ///< nullopt: nothing is wrong.

/// EINVAL with a diagnostic: the common case.
Refusal invalid(pfkey::Diagnostic diagnostic);

/// The contents of single extensions, whatever the message.
Check check_contents(const pfkey::Message& request, const Options& options);

/// The addresses that are there, and extensions that no request for one SA type may have. Brings addresses into their
/// normal form: mapped ones become IPv4, bits after an inner prefix are cleared, protocols and families are filled in.
Check normalise(pfkey::Message& request, const Options& options);

/// Soft limits above hard ones, idle limits above either. Passes unless HARD and SOFT are both there.
Check check_lifetimes(const pfkey::Message& request);

/// A replay window or sequence numbers of 64 bits on an ESP SA without integrity (RFC 4303 section 1). nullptr: the SA
/// has no such algorithm.
Check check_window(const pfkey::Message& request, const pfkey::Algorithm* cipher, const pfkey::Algorithm* mac);

/// Labels on a system without a label policy.
Check check_labels(const pfkey::Message& request, const Options& options);

/// REPLAY_VALUE of more than 32 bits without extended sequence numbers (those that the SA has already: `esn`),
/// REPLAY_WINDOW of more than 4096 packets.
Check check_replay_width(const pfkey::Message& request, bool esn);

/// Extended sequence numbers without a window: nothing tells then which half is meant (RFC 4303 section 3.4.3).
Check check_extended(const pfkey::Message& request);

/// Everything about an ADD, or an UPDATE that completes a larval SA, that can be told without the SADB; after
/// normalise(). Corrects the parity of DES keys and fills in the protocol of a tunnel.
Check check_add(pfkey::Message& request, const Options& options);

/// The outer protocol of inner addresses is 4 or 41, by their family; 0 is filled in. Needs src and dst; after
/// normalise().
Check check_encapsulation(pfkey::Message& request);

/// kFlagInbound and kFlagOutbound: as asked, else by the addresses, else neither.
std::uint32_t direction_of(const pfkey::Message& request, const Options& options);

/// The same by the addresses: both where they do not tell, neither where nobody knows which addresses are local.
std::uint32_t direction_by_addresses(const Address& src, const Address& dst, const Options& options);

/// The algorithm's row if it can be used here.
const pfkey::Algorithm* usable(pfkey::AlgorithmKind kind, std::uint8_t number, const Options& options);

/// Settable flags, by SA type: of an ADD or of an UPDATE.
std::uint32_t settable_flags(pfkey::SaType satype, bool update);

}  // namespace engine
