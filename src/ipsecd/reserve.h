#pragma once
/// Memory reserved for when there is none left: `operator new` then spends it, so that work in progress completes, and
/// nothing that makes the process grow is started until the reserve is restored.
#include <cstddef>

namespace ipseckey::ipsecd::reserve {

/// Bytes, only address space until they are spent. More than any request needs, except for the growth of the SADB's own
/// tables, which the engine checks beforehand (Sadb::make_room()).
inline constexpr std::size_t kSize = std::size_t{16} << 20;

/// Allocates the reserve, and from now on spends it when `operator new` finds no memory. If it is already spent, `end`
/// is called, which must not return.
void hold(void (*end)());

/// Whether the reserve is available; if it was spent, it is allocated again as soon as there is memory.
bool ready();

/// The new handler that hold() sets.
void spend();

}  // namespace ipseckey::ipsecd::reserve
