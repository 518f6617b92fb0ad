#pragma once
/// Which SA of a database serves a rule, and why each other one does not.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pfkey/message.h"
#include "policy/judge.h"
#include "policy/match.h"
#include "policy/rule.h"

namespace ipseckey::policy {

/// How a database finds the SA for a packet that it sends.
enum class Chooser : std::uint8_t {
  exact,   ///< ipsecd: the newest SA that is as the rule demands (Solaris takes the newest, too).
  kernel,  ///< Linux: the newest of the protocol, mode, addresses, reqid, mark and if_id (and with the SPI that the
           ///< rule names), whatever its algorithms are.
};

/// An SA that a database holds.
struct HeldSa {
  SaFacts facts;
  std::uint64_t added = 0;                     ///< Seconds since 1970.
  bool usable = true;                          ///< Neither larval nor dead.
  bool dying = false;                          ///< Used only if there is no other.
  std::optional<Direction> direction;          ///< If it has one of its own.
  pfkey::Endpoint src_selector, dst_selector;  ///< Protocol and ports of the packets that it is for; 0: any.
};

/// From a reply to GET or DUMP, which has SA and DST.
HeldSa held_sa(const pfkey::Message& sa);

/// Whether an SA that a rule might use is used, or why not.
enum class Fate : std::uint8_t {
  serves,      ///< It is used, out, or accepted, in.
  breaks,      ///< It is used or accepted although it is not what the rule demands: the database does not compare all.
  other,       ///< Objections say why it is not used.
  not_usable,  ///< It would do, but it is larval or dead.
  wrong_way,   ///< It has a direction of its own, the other one.
  other_packets,  ///< It is for another protocol, other ports or other addresses than the packet's.
  older,          ///< It would do, but there is a newer one, or it is dying and another is not.
};

/// "it is older than the one that is used"; what a person reads about it. Empty for serves and other.
std::string_view words(Fate fate);

struct Candidate {
  std::size_t sa = 0;  ///< Its number among those given.
  Fate fate = Fate::other;
  std::vector<Objection> objections;
  bool operator==(const Candidate&) const = default;
};

/// What an alternative of a rule needs: an SA of ESP, or of AH, or one of each.
struct Need {
  std::size_t alternative = 0;
  pfkey::SaType type = pfkey::SaType::esp;
  std::vector<Candidate> candidates;  ///< The SAs of this type in the order in which the database tries them.

  /// The first that has that fate.
  const Candidate* first(Fate fate) const;
};

enum class Service : std::uint8_t {
  not_needed,  ///< The rule demands no SA in this direction.
  served,
  broken,   ///< An SA is used, or accepted, that is not what the rule demands.
  missing,  ///< There is no SA for any of its alternatives.
};

struct Serving {
  Service service = Service::not_needed;
  std::vector<Need> needs;               ///< In the order of the alternatives, ESP before AH.
  std::optional<std::size_t> used = {};  ///< The alternative that is served.
};

/// SAs by the address of the peer, so that a rule about one peer is not compared with the SAs of all others. The SAs
/// must outlive it.
class SasByPeer {
 public:
  explicit SasByPeer(std::span<const HeldSa> sas);

  /// The numbers of those that may serve the rule.
  std::vector<std::size_t> of(const Rule& rule, Direction direction) const;

 private:
  std::span<const HeldSa> sas_;
  std::map<Address, std::vector<std::size_t>> to_;
  std::map<std::optional<Address>, std::vector<std::size_t>> from_;
};

/// `flow`: one packet of the rule, whose SA is needed; nullptr: any packet of the rule, so that there can be an SA for
/// each pair of addresses. `among`: of the same SAs, to find some of them quickly; nullptr: all are compared.
Serving serve(const Rule& rule, Direction direction, std::span<const HeldSa> sas, Chooser chooser,
              const Flow* flow = nullptr, const SasByPeer* among = nullptr);

}  // namespace ipseckey::policy
