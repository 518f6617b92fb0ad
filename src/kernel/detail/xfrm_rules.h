#pragma once
/// Checks of a request before the kernel sees it, and the meaning of the kernel's refusals.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

struct Refusal {
  std::uint8_t error;  ///< errno.
  pfkey::Diagnostic diagnostic = pfkey::Diagnostic::none;
  std::string text = {};  ///< For a remark.
};

/// What the kernel would refuse for certain, or accept and not do, in an ADD or an UPDATE that completes a larval SA;
/// nullopt: let the kernel decide. `labels`: its security module supports labels.
std::optional<Refusal> wrong_with(const pfkey::Message& request, bool labels);

/// Why an SA that the kernel reported, complete and in the form of a GET reply, could not be added as it is; empty: it
/// could.
std::string not_addable(const pfkey::Message& sa, bool labels);

/// A change that an UPDATE requests for a complete SA, given as the kernel reports it with its direction, and that
/// Linux would not make or must not make; nullopt: none.
std::optional<Refusal> unchangeable(const pfkey::Message& request, const pfkey::Message& sa);

/// Checks the fields that identify an SA: satype, SA with an SPI, destination.
std::optional<Refusal> wrong_name(const pfkey::Message& request);

/// The kernel's verdict with its likely cause and the command that mends it. `text`: the kernel's own words;
/// `type_missing`: the kernel is known to lack the protocol.
Refusal meaning(const pfkey::Message& request, int error, std::string_view text, bool type_missing = false);

/// The error reply to a request.
pfkey::Message refused(const pfkey::Message& request, const Refusal& why);

}  // namespace ipseckey::kernel::xfrm
