#pragma once
/// Checks of a request before it may change anything: the sections "Input", "Addresses" and "ADD" of
/// doc/reference/pf-key.md. The requirements of every SADB are in pfkey/requirements.h; this file has those that need
/// this engine's own knowledge.
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
#include "pfkey/requirements.h"

namespace ipseckey::engine {

/// Words that outlive every reply: a literal or a table's, not a string's, which may be gone by then.
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
  LastingText remark = {};  ///< Which of the diagnostic's causes it is, if they need different remedies.
  bool operator==(const Refusal&) const = default;
};

using Check = std::optional<Refusal>;  ///< nullopt: no fault was found.

/// EINVAL with a diagnostic: the common case.
Refusal invalid(pfkey::Diagnostic diagnostic);

/// What pfkey/requirements.h needs to know about a SADB, for this engine.
inline pfkey::SadbFacts facts(const Options& options) {
  return {.labels = options.label_policy, .is_linux = options.as_linux};
}

/// The first requirement of those parts that the request breaks.
template <pfkey::Part first, pfkey::Part last = first>
Check check(const pfkey::Asked& asked) {
  const pfkey::Requirement* const broken = pfkey::first_broken<first, last>(asked);
  if (!broken) return std::nullopt;
  return Refusal{broken->error, broken->diagnostic, broken->words_for(asked)};
}
template <pfkey::Part first, pfkey::Part last = first>
Check check(const pfkey::Message& request, const Options& options) {
  return check<first, last>({request, facts(options)});
}

/// Checks the contents and addresses of any request about an SA, and that it has no forbidden extensions. Normalizes
/// addresses: mapped ones become IPv4, bits after an inner prefix are cleared, protocols and families are filled in.
Check normalise(pfkey::Message& request, const Options& options);

/// Checks everything about an ADD, or an UPDATE that completes a larval SA, that does not depend on the SADB; call it
/// after normalise(). Drops an ICV of the usual length, corrects the parity of DES keys and fills in the protocol of a
/// tunnel.
Check check_add(pfkey::Message& request, const Options& options);

/// Whether an ADD can be half of a bundle; call it once its source is known, which may be a larval SA's.
Check check_bundle(const pfkey::Message& add);

/// The outer protocol of inner addresses must be 4 or 41, by their family; 0 is filled in. Needs src and dst; call it
/// after normalise().
Check check_encapsulation(pfkey::Message& request);

/// kFlagInbound and kFlagOutbound: as requested, otherwise from the addresses, otherwise neither.
std::uint32_t direction_of(const pfkey::Message& request, const Options& options);

/// The same from the addresses: both if they imply none, neither if local addresses are unknown.
std::uint32_t direction_by_addresses(const Address& src, const Address& dst, const Options& options);

/// The algorithm's row, if it can be used here.
const pfkey::Algorithm* usable(pfkey::AlgorithmKind kind, std::uint8_t number, const Options& options);

}  // namespace ipseckey::engine
