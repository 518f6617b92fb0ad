#pragma once
/// What happens to one packet, and why. Pure: facts go in, text comes out.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/spd.h"
#include "base/json.h"
#include "cli/rules/meetings.h"
#include "policy/match.h"
#include "policy/serving.h"
#include "policylang/packet.h"

namespace ipseckey::cli {

/// What a database has, besides its rules.
struct SaSource {
  std::vector<policy::HeldSa> sas;
  policy::Chooser chooser = policy::Chooser::exact;
  bool known = false;         ///< Whether the SAs could be listed.
  std::optional<bool> waits;  ///< A packet without an SA waits for one; absent: not known, it is dropped by default.
};

/// What happens to a packet.
enum class PacketFate : std::uint8_t {
  clear,
  is_protected,  ///< Out: sent by that SA. In: accepted if one of these SAs protected it.
  broken,        ///< As protected, but not as the rule demands.
  dropped,
  lacks_sa,  ///< Dropped, or it waits: it must be protected, and there is no SA.
};

struct Explained {
  ExplainedPacket packet;
  policy::Explanation rules;  ///< Those that are certainly about it; none if it is exempt.
  /// Foreign ones that would decide, should they be about it: that depends on what is not known of the packet.
  std::vector<std::size_t> perhaps;
  policy::Serving serving;  ///< Of the rule that decides.
  PacketFate fate = PacketFate::clear;
  std::string verdict;  ///< A sentence without a full stop.
};

Explained explain_packet(const RuleSource& source, const SaSource& sas, const ExplainedPacket& packet);

/// For a person: labelled lines.
std::string explanation_text(const Explained& e, const RuleSource& source, const SaSource& sas);

/// For a program: kind "explain" of doc/reference/json.md. `sadb`: the database whose SAs they are.
JsonObject explanation_json(const Explained& e, const RuleSource& source, const SaSource& sas, std::string_view sadb);

/// How two explanations of one packet differ; empty: they come to the same.
std::string difference(const Explained& a, const RuleSource& of_a, const Explained& b, const RuleSource& of_b);

/// The rule that the peer needs for the same packets.
policy::Rule mirrored(const policy::Rule& rule);

}  // namespace ipseckey::cli
