#pragma once
/// The other end of a proof: says what it sees, and sends back what comes. It answers only addresses that the rules
/// name, never more octets than were asked with, and at most kMostAnswers a second.
#include <functional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "policy/match.h"
#include "prove/facts.h"

namespace ipseckey::probe {

inline constexpr unsigned kMostAnswers = 500;

/// What the responder knows of its own host, as it is now.
struct Responding {
  policy::Rules rules;
  std::function<bool(const Address&)> is_local;
  std::string database;  ///< For read_local().
  /// About a probe of this question: which SAs and rules it meets here. Fills to_you, to_me, in_rule, out_rule,
  /// out_spi.
  std::function<void(const prove::Ask&, prove::Tell&)> judge;
  std::function<bool(std::uint32_t)> holds;     ///< Whether an SA with that SPI is here.
  std::function<void(std::string_view)> ready;  ///< Called once it listens.
  int stop = -1;                                ///< A descriptor that is readable when it is to end.
};

/// Answers until it is stopped. Errors: denied, exists (the port belongs to another program), io.
Result<void> respond(const Responding& responding);

}  // namespace ipseckey::probe
