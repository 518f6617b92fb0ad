#pragma once
/// Commands to PF_KEY messages.
#include <absl/functional/function_ref.h>

#include "lang/names.h"
#include "lang/parse.h"
#include "pfkey/message.h"

namespace lang {

/// The messages of a command, one for each address of its destination; seq and pid are left to the sender. Looks names
/// up. An objection of severity error about one destination leaves the others; about anything else, nothing is sent.
/// Consumes the command's keys.
void to_messages(Command&& command, const Names& names, Objections objections,
                 absl::FunctionRef<void(pfkey::Message&&)> out);

}  // namespace lang
