#pragma once
/// The extensions of key management as text: proposals, supported algorithms, SPI ranges, registrations.
#include "pfkey/lines.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// One line or more for each of those extensions that the message carries.
void print_offers(const Message& m, Lines& lines);

}  // namespace ipseckey::pfkey
