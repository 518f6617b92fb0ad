#pragma once
/// SAs of the SADB back to what a command would say of them.
#include "lang/spec.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// What `add` would have to say to get this SA (a GET or DUMP reply), its pair and its direction included. The message
/// loses its keys to the spec.
SaSpec to_spec(pfkey::Message&& sa);

}  // namespace ipseckey::lang
