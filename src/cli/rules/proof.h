#pragma once
/// What `prove` tries, and how its findings are printed.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/spd.h"
#include "base/json.h"
#include "cli/rules/session.h"
#include "prove/judge.h"

namespace ipseckey::cli {

/// The state of one database: its rules in the order in which they are tried, and its SAs.
struct ProofGround {
  std::string database;  ///< Spd::name().
  std::vector<backend::HeldRule> held;
  policy::Rules rules;  ///< The same, for match().
  std::vector<prove::SaView> views;
  std::vector<policy::HeldSa> sas;  ///< Of the same numbers.
  policy::Chooser chooser = policy::Chooser::exact;
};

/// Reads it. Not ok: the error has been printed.
Status read_ground(RuleSession& session, ProofGround& ground);
/// Reads the SAs again.
Result<void> read_sas(const RuleSession& session, ProofGround& ground);

/// One line of the result.
struct Proof {
  std::uint32_t index = 0;  ///< Of the rule in the database; 0: it is not there.
  std::uint32_t line = 0;   ///< In its file; 0: not known.
  std::string peer;
  prove::Verdict verdict;
  std::optional<prove::Facts> facts;  ///< Absent: nothing was sent.
};

/// "rule #3 with 192.0.2.2".
std::string proof_name(const Proof& proof);
/// "rule #3": by its index, or its line.
std::string rule_name(const backend::HeldRule& held);
std::string proof_text(const Proof& proof);
JsonObject proof_json(const Proof& proof, const std::string& sadb);

/// The number of the rule that a packet meets first; nullopt: none.
std::optional<std::size_t> met(const ProofGround& ground, const policy::Flow& flow, policy::Direction direction);

/// `--respond`.
Status respond_to_proofs(RuleSession& session);

}  // namespace ipseckey::cli
