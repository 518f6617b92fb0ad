#pragma once
/// The system calls that are left to ipsecd once it serves.
#include "base/result.h"

namespace ipsecd {

/// Lets all threads of the process, for good, make only the calls that serving takes: no new files, no other programs,
/// no sockets but IP, netlink and Unix ones. A call that is not among them fails with EPERM; one that only an intruder
/// would make (another program, another process' memory, kernel modules) ends the process. To be called when
/// everything is open and all threads run. Error unsupported: this kernel has no filters; nothing is changed.
Result<void> confine();

}  // namespace ipsecd
