#pragma once
/// The other end of a proof: says what it sees, and sends back what comes. It answers what came protected as a rule
/// demands, and of what came in clear only hosts that the rules name; all that it sends for a question has together
/// never more octets than the question.
#include <functional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "policy/match.h"
#include "prove/facts.h"
#include "prove/runs.h"

namespace ipseckey::probe {

/// The most sockets: one for each port that the rules name, and family.
inline constexpr std::size_t kMostSockets = 4096;

/// The SA under which a packet leaves.
struct Leaving {
  std::uint32_t spi = 0;  ///< 0: none.
  Address to;             ///< Where the protected packet goes.
};

/// What the responder asks about its own host. All answers are those of now.
struct Responding {
  std::function<const policy::Rules&()> rules;
  /// Whether the rules are others than at the last call; it is called at least once a second.
  std::function<bool()> changed;
  /// Whether the rules accept such a packet only if it is protected.
  std::function<bool(const policy::Flow&)> demanded;
  std::function<Leaving(const policy::Flow&)> leaving;
  std::function<bool(const Address&)> is_local;
  /// Whether a rule names this very host as the peer, or the user did.
  std::function<bool(const Address&)> named;
  std::vector<Address> peers;  ///< Those whom the user named.
  std::string database;        ///< For read_local().
  /// About a probe of this question: which SAs and rules it meets here, as far as the asker may know. Fills mine,
  /// to_you, to_me, in_rule, out_rule, out_spi. False: the SA with the question's out_spi is not one with the asker.
  std::function<bool(const prove::Asker&, const prove::Ask&, prove::Tell&)> judge;
  std::function<void(std::string_view)> ready;  ///< Called once it listens.
  std::function<void(std::string_view)> warn;   ///< Ports that it cannot answer on.
  int stop = -1;                                ///< A descriptor that is readable when it is to end.
};

/// Answers until it is stopped. Errors: denied, exists (the port belongs to another program), io.
Result<void> respond(const Responding& responding);

}  // namespace ipseckey::probe
