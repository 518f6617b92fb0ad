#pragma once
/// SAs of the SADB back to the spec of a command.
#include "lang/spec.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// The spec with which `add` creates this SA (a GET or DUMP reply), its pair and its direction included. The message
/// loses its keys to the spec.
SaSpec to_spec(pfkey::Message&& sa);

}  // namespace ipseckey::lang
