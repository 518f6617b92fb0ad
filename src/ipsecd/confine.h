#pragma once
/// The system calls that are left to ipsecd once it serves.
#include "base/result.h"

namespace ipsecd {

/// Whether this build has a sanitizer, which takes system calls of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

/// Lets all threads of the process, for good, make only the calls that serving takes: no new files, no other programs,
/// no sockets but IP, netlink and Unix ones. A call that is not among them fails with EPERM; one that only an intruder
/// would make (another program, another process' memory, kernel modules) ends the process, but for sanitized builds. To
/// be called when everything is open and all threads run. Error unsupported: this kernel has no filters; nothing is
/// changed.
Result<void> confine();

}  // namespace ipsecd
