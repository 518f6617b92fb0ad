#pragma once
/// A transcript: a session written down, with its clock in it, and what the commands said. README.md has the format.
#include <string>

namespace ipseckey::transcript {

/// Runs the session of a transcript in the present folder, which is its own and empty, and gives the transcript as it
/// should read: its lines as they are, what commands write and how they end as it was this time. Throws
/// std::runtime_error (with the line's number) where a line cannot be understood.
std::string replay(const std::string& text);

}  // namespace ipseckey::transcript
