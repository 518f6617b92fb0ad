#pragma once
/// Commands to PF_KEY messages, and SAs back to what a command would say of them.
#include <absl/functional/function_ref.h>

#include "lang/names.h"
#include "lang/parse.h"
#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace lang {

/// The messages of a command, one for each address of its destination; seq and pid are left to the sender. Looks names
/// up. An objection of severity error about one destination leaves the others; about anything else, nothing is sent.
/// Consumes the command's keys.
void to_messages(Command command, const Names& names, Objections objections,
                 absl::FunctionRef<void(pfkey::Message&&)> out);

/// What `add` would have to say to get this SA (a GET or DUMP reply). Its pair and state included; the SA of the
/// message loses its keys to the spec.
SaSpec to_spec(pfkey::Message&& sa);

/// The keyword that a diagnostic is about, for the mark under the line; &SaSpec::spi: none in particular.
Slot slot_for(pfkey::Diagnostic diagnostic);

}  // namespace lang
