#pragma once
/// The programs' tables as rows of texts, for templates.
#include "texts/fill.h"

namespace ipseckey::texts {

/// Every kind of row that a template can ask for: command, keyword, algorithm, option and status (of ipseckey),
/// diagnostic, daemon-option, daemon-status and cause (of ipsecd), list (of commands: shell, file, writers; of words:
/// sadbs). A list within a field is separated by blanks; "yes" and "no" answer questions. A keyword's `used` is empty
/// for one that the usual commands use (list writers) or that each command that uses it needs.
Tables program_tables();

}  // namespace ipseckey::texts
