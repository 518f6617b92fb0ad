#pragma once
/// Makes text from outside harmless for a terminal: none of its bytes can move the cursor, hide anything or send a
/// command.
#include <string>
#include <string_view>

namespace ipseckey::text {

/// Whether the text is printable ASCII, line feeds and tabulators.
bool is_harmless(std::string_view text);

/// One byte of text from outside as shown to a user: itself, or \xHH if it is not printable ASCII.
void append_harmless(char c, std::string& out);

/// The text with each byte converted in this way; line feeds and tabulators stay.
std::string harmless(std::string_view text);

/// The same within quotes: those, backslashes, line feeds and tabulators are escaped, too.
std::string escaped(std::string_view text);

}  // namespace ipseckey::text
