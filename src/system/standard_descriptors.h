#pragma once
/// Descriptors 0, 1 and 2 of a program that was started without some of them.
namespace ipseckey {

/// Replaces each closed one by /dev/null, opened in the opposite mode: no socket or file that is opened later gets its
/// number, and using it fails with EBADF as if it were closed, so that lost output is an error. Call it before anything
/// else is opened. false: one is still closed (see errno), and nothing may be opened.
bool hold_standard_descriptors();

}  // namespace ipseckey
