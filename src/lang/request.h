#pragma once
/// Turns commands into PF_KEY messages.
#include <vector>

#include "lang/language.h"
#include "lang/parse.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// Appends the messages of a command, one for each address of its destination; seq and pid are left to the sender.
/// Looks names up. An objection of severity error about one destination leaves the others; about anything else, nothing
/// is sent. Consumes the command's keys.
void to_messages(Command&& command, const Names& names, Objections objections, std::vector<pfkey::Message>& out);

}  // namespace ipseckey::lang
