#pragma once
/// Sensitivity labels as SELinux' security contexts, which is what Linux calls the labels of SAs.
#include <string>
#include <string_view>

#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// The security context that stands for a label: its MLS part says level and compartments.
std::string context_of(const pfkey::Sensitivity& label);

/// The MLS part of a context as context_of() writes it: level and compartments, single ones or ranges ("s3:c0.c4,c9").
/// What it does not understand is left out: compare context_of() of it.
pfkey::Sensitivity label_of(std::string_view context);

}  // namespace ipseckey::kernel::xfrm
