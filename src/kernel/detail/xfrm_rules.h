#pragma once
/// What is asked of a request before the kernel is, and what its refusals mean.
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

/// What the kernel refuses for certain, or accepts and does not do, of an ADD or of an UPDATE that completes a larval
/// SA; nullopt: let it decide. `labels`: it has a security module that knows labels.
std::optional<Refusal> wrong_with(const pfkey::Message& request, bool labels);

/// Why an SA that the kernel told, complete and in the form of a GET reply, could not be added as it is; empty: it
/// could.
std::string not_addable(const pfkey::Message& sa, bool labels);

/// What an UPDATE asks of a complete SA, as the kernel tells it with its direction, that Linux would leave as it is, or
/// should; nullopt: nothing.
std::optional<Refusal> unchangeable(const pfkey::Message& request, const pfkey::Message& sa);

/// What names an SA is there: satype, SA with an SPI, destination.
std::optional<Refusal> wrong_name(const pfkey::Message& request);

/// A verdict of the kernel with its likely cause and the command that mends it. `text`: the kernel's own words;
/// `type_missing`: it is known to have no such protocol.
Refusal meaning(const pfkey::Message& request, int error, std::string_view text, bool type_missing = false);

/// The error reply to a request.
pfkey::Message refused(const pfkey::Message& request, const Refusal& why);

}  // namespace ipseckey::kernel::xfrm
