#pragma once
/// A transcript: a recorded session, including its clock and the output of its commands. README.md has the format.
#include <string>

namespace ipseckey::transcript {

/// Runs the session of a transcript in the current folder, which is its own and empty, and returns the transcript as it
/// should read: its lines unchanged, with this run's output and exit statuses. Throws std::runtime_error (with the
/// line's number) if a line cannot be understood.
std::string replay(const std::string& text);

}  // namespace ipseckey::transcript
