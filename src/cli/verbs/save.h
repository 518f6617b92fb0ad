#pragma once
/// `save`: the SAs as commands that load reads.
#include <string>

#include "cli/session.h"

namespace ipseckey::cli {

/// Writes the SAs of a type (unspec: of all) to a new file, which appears whole or not at all; empty or "-": to
/// standard output. SAs that are left out make the status `failed`. Errors have been printed.
Status save_file(Session& session, pfkey::SaType type, const std::string& path);

}  // namespace ipseckey::cli
