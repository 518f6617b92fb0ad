#pragma once
/// SAs in JSON as json_sa() writes them, to be added again. Tables: json_fields.h.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_tree.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// What is wrong with a member.
struct JsonFault {
  const JsonNode* where;
  bool stranger = false;     ///< The member's own name is not known, so it may hold anything.
  std::string message = {};  ///< Without anything of the text.
  /// The word of the text that is meant, and the words that it could be; `known` is empty: no word is meant.
  std::string_view word = {};
  std::vector<std::string_view> known = {};
};

/// Reads an object, the tree's root, as a GET would answer: `m.type` is GET, `m.satype` is what "satype" says. Members
/// may be left out; those named in `beside` are the caller's. Puts errors into `faults`: then `m` is incomplete.
/// The digits of keys go from the text into `m` and nowhere else.
void read_json_sa(const JsonTree& tree, std::span<const std::string_view> beside, Message& m,
                  std::vector<JsonFault>& faults);

}  // namespace ipseckey::pfkey
