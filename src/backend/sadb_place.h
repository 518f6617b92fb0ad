#pragma once
/// Which SADB it is, among all that a machine has at one time or another, and how to tell that one is gone for good.
#include <cstdint>
#include <string>

#include "backend/backend.h"

namespace ipseckey::backend {

/// A process that is an SADB: its SAs end with it.
struct SadbProcess {
  std::uint64_t pid = 0;    ///< 0: the SADB may outlive its process, or it is not known which one it is.
  std::uint64_t start = 0;  ///< When it began, in the kernel's ticks since the start: tells it from a later one.
  std::uint64_t view = 0;   ///< The namespaces that count so: of processes, and of their clock.
  bool operator==(const SadbProcess&) const = default;
};

struct SadbPlace {
  std::string name;     ///< No other SADB of this boot has it, nor had it at another time.
  std::string older{};  ///< What an earlier release called it; empty: the same.
  SadbProcess process{};
  std::string boot{};  ///< Which boot of the machine this is; empty: not known. No SADB outlives it.
};

/// The kernel has a SADB in each network namespace, whose inode's number the next namespace may get; its cookie it
/// may not. An ipsecd is known by the path of its socket, with all links followed.
SadbPlace sadb_place(const Backend& sadb);

/// The kernel's, of this process's network namespace.
SadbPlace this_kernel_place();

/// The place of a kernel's SADB by its namespace. `cookie`: 0 if the kernel gives none (before 5.14).
SadbPlace kernel_place(std::uint64_t inode, std::uint64_t cookie);

/// Whether the SADB of that name is certainly gone if `here` is there: it is a namespace with the same inode.
bool replaced_by(const std::string& name, const SadbPlace& here);

/// The process with that number if it is an ipsecd that keeps nothing for the next one.
SadbProcess sadb_process(std::uint32_t pid);

/// Whether the process is certainly gone.
bool has_ended(const SadbProcess& process);

}  // namespace ipseckey::backend
