#pragma once
/// Text from outside, made harmless for a terminal: no byte of it moves a cursor, hides anything or gives an order.
#include <string>
#include <string_view>

namespace ipseckey::text {

/// Whether the text is printable ASCII, line feeds and tabulators.
bool is_harmless(std::string_view text);

/// What one byte becomes where text from outside is shown: itself, or \xHH if it is no printable ASCII.
void append_harmless(char c, std::string& out);

/// The text with each byte so; line feeds and tabulators stay.
std::string harmless(std::string_view text);

/// The same within quotes: those, backslashes, line feeds and tabulators are escaped, too.
std::string escaped(std::string_view text);

}  // namespace ipseckey::text
