#pragma once
/// Restricts the files and system calls that ipsecd can use while it serves.
#include <span>
#include <string>

#include "base/result.h"

namespace ipseckey::ipsecd {

/// Whether this build has a sanitizer, which needs system calls of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

/// Forbids, permanently, for this thread and those that it starts from now on: opening and creating files, removing
/// files except in `folders` and below, and TCP (Landlock; sanitized builds may still read files). Needs
/// PR_SET_NO_NEW_PRIVS. Errors: unsupported (this kernel has no Landlock; nothing changes), io (a folder cannot be
/// opened).
Result<void> wall_in(std::span<const std::string> folders);

/// Permanently restricts all threads of the process to the calls that serving needs: no opening of files, no executable
/// memory, no other programs, only IP, netlink and Unix sockets; removing files only with `may_remove`. Other calls
/// fail with EPERM; calls that only an intruder would make (another program, another process's memory, kernel modules)
/// end the process. Sanitized builds keep what their reports need. Call it when everything is open and all threads run.
/// Error unsupported: this kernel has no filters; nothing changes.
Result<void> confine(bool may_remove);

}  // namespace ipseckey::ipsecd
