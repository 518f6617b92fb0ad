#include "api/ipseckey.h"

namespace ipseckey {

const char* version() noexcept { return IPSECKEY_VERSION; }

}  // namespace ipseckey
