#pragma once
namespace ipseckey {

/// Copying leaves pieces of what was copied in the processor's vector registers, which are in each core.

/// Wipes them, for code that has had keys in hand and is about to wait. False: those of this processor are not known
/// (x86-64 and 64-bit Arm are).
bool wipe_registers() noexcept;

}  // namespace ipseckey
