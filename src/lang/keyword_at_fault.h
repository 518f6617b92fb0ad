#pragma once
/// Which keyword a refusal of the SADB is about.
#include "lang/spec.h"
#include "pfkey/diagnostics.h"

namespace ipseckey::lang {

/// For the mark under the line; &SaSpec::spi where the diagnostic is about no keyword in particular.
Slot keyword_at_fault(pfkey::Diagnostic diagnostic);

}  // namespace ipseckey::lang
