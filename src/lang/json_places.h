#pragma once
/// Where the value of a keyword is in JSON.
#include <string>

#include "lang/keywords.h"

namespace ipseckey::lang {

/// JSON pointers within an object of an SA, separated by blanks: the value is in the first that the object has. Empty:
/// the keyword has no place there.
std::string json_places(const Keyword& row);

}  // namespace ipseckey::lang
