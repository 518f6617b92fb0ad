#pragma once
/// Copying leaves pieces of what was copied in the processor's vector registers, which are in each core.

/// Wipes them where they are known (x86-64): for who has had keys in hand and is about to wait.
void wipe_registers() noexcept;
