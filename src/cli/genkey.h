#pragma once
/// Fresh keys.
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "pfkey/algorithms.h"

namespace cli {

/// Fills the octets with random ones, or says why it cannot.
using Random = std::function<Result<void>(MutableBytes)>;

/// Writes a line with a key of `bits` bits, which fit the algorithm, and behind it the salt that the algorithm wants:
/// what authkey and encrkey take. Never one that the algorithm calls weak. paranoid: an X for each digit.
Result<void> generate_key(const pfkey::Algorithm& algorithm, std::uint16_t bits, bool paranoid, const Random& random,
                          absl::FunctionRef<void(std::string_view)> out);

/// Writes a line with the words of an SA that has the algorithms that are recommended for manual keys and a fresh key
/// for each: "encr_alg ... encrkey ... auth_alg ... authkey ...".
Result<void> generate_words(bool paranoid, const Random& random, absl::FunctionRef<void(std::string_view)> out);

}  // namespace cli
