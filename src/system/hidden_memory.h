#pragma once
/// Protects this process's memory from dumps and debuggers.
namespace ipseckey {

/// From now on there are no core dumps, and only root can attach a debugger or read the memory in /proc.
void hide_memory();

}  // namespace ipseckey
