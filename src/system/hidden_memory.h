#pragma once
namespace ipseckey {

/// Keeps this process' memory from dumps and debuggers.

/// No core dump, and no debugger or look into /proc of anybody but root's, from now on.
void hide_memory();

}  // namespace ipseckey
