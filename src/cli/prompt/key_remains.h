#pragma once
/// Remains of keys in freed memory. For a process that keeps running: the prompt.

namespace ipseckey::cli {

/// From now on the C library overwrites memory when it is freed, and existing memory is kept out of the
/// swap, as far as the limits allow.
void leave_few_key_remains();

/// Wipes what leave_few_key_remains() does not reach: the small blocks that the C library keeps at hand, and the stack
/// below the caller, where registers were saved.
void wipe_key_remains();

}  // namespace ipseckey::cli
