#pragma once
namespace ipseckey {

/// Descriptors 0, 1 and 2 of a program that was started without some of them.

/// Puts /dev/null in the place of each that is closed, opened the wrong way round: no socket and no file that is opened
/// later gets its number, and whoever uses it gets EBADF as from a closed one, so that a lost output is an error. To be
/// called before anything else is opened. false: one stays closed (errno says why), and nothing may be opened.
bool hold_standard_descriptors();

}  // namespace ipseckey
