#pragma once
namespace ipseckey {

/// Copying leaves fragments of the data in the processor's vector registers, which core dumps contain.

/// Wipes them, for code that has handled keys and is about to wait. False: this processor's registers are not known
/// (those of x86-64 and 64-bit Arm are).
bool wipe_registers() noexcept;

}  // namespace ipseckey
