#pragma once
/// The lifetimes of an SA as text.
#include <string>

#include "pfkey/lines.h"
#include "pfkey/message.h"
#include "pfkey/print.h"

namespace ipseckey::pfkey {

/// A table of what is used and what is allowed, then when the SA was added, used and will expire. Nothing when the
/// message carries no lifetime.
void print_lifetimes(const Message& m, const PrintOptions& options, Lines& lines);

/// "1.00 GiB, 8.00 hours after add": the limits that are set, for a proposal; "no limit".
std::string limits_text(const Lifetime& limits);

}  // namespace ipseckey::pfkey
