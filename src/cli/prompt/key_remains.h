#pragma once
/// What keys leave behind in memory that nobody owns any more. For a process that lives on: the prompt.

namespace ipseckey::cli {

/// From now on the C library writes over the blocks of memory that are freed, and what there is is kept out of the
/// swap, as far as the limits allow.
void leave_few_key_remains();

/// Wipes what leave_few_key_remains() does not reach: the small blocks that the C library keeps at hand, and the stack
/// below the caller, where registers were saved.
void wipe_key_remains();

}  // namespace ipseckey::cli
