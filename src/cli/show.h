#pragma once
/// How SAs are shown: as text for a person, as JSON for a program.
#include <cstddef>
#include <string>

#include "cli/session.h"

namespace ipseckey::cli {

/// Adds an SA (a GET or DUMP reply) as text or, with --json, as JSON.
void append_sa(Session& session, const pfkey::Message& sa, SecretText& text);
/// The same, on standard output.
void show_sa(Session& session, const pfkey::Message& sa);

/// "2 esp SAs in kernel.", a line: what ends a list of the SAs of a type (unspec: of all).
std::string how_many(const Session& session, std::size_t count, pfkey::SaType type);

}  // namespace ipseckey::cli
