#pragma once
/// Sensitivity labels as SELinux security contexts, in which Linux expresses the labels of SAs.
#include <string>
#include <string_view>

#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// The security context for a label: its MLS part contains level and compartments.
std::string context_of(const pfkey::Sensitivity& label);

/// The MLS part of a context as context_of() writes it: level and compartments, single ones or ranges ("s3:c0.c4,c9").
/// Anything else is left out: to detect that, compare with context_of() of the result.
pfkey::Sensitivity label_of(std::string_view context);

}  // namespace ipseckey::kernel::xfrm
