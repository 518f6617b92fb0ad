#pragma once
/// The weak keys of DES under the names that the engine's rules use; the kernel's backend asks the same questions.
#include "pfkey/weak_keys.h"

namespace engine {

using pfkey::correct_parity;
using pfkey::weak_des;
using pfkey::weak_triple_des;

}  // namespace engine
