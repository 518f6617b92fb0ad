#pragma once
/// The system calls that are left to ipsecd once it serves.
#include <span>
#include <string>

#include "base/result.h"

namespace ipseckey::ipsecd {

/// Whether this build has a sanitizer, which takes system calls of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

/// Lets this thread, and those that it starts from now on, open no file, make none and remove none but those directly
/// or further down in `folders`, for good, nor use TCP (Landlock; sanitized builds read files still). Needs
/// PR_SET_NO_NEW_PRIVS. Errors: unsupported (this kernel has no Landlock; nothing is changed), io (a folder cannot be
/// opened).
Result<void> wall_in(std::span<const std::string> folders);

/// Lets all threads of the process, for good, make only the calls that serving takes: no opening of files, no memory
/// that can be executed, no other programs, no sockets but IP, netlink and Unix ones; removing files only with
/// `may_remove`. A call that is not among them fails with EPERM; one that only an intruder would make (another program,
/// another process' memory, kernel modules) ends the process. Sanitized builds keep what their reports take. To be
/// called when everything is open and all threads run. Error unsupported: this kernel has no filters; nothing is
/// changed.
Result<void> confine(bool may_remove);

}  // namespace ipseckey::ipsecd
