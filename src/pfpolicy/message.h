#pragma once
/// PF_POLICY as values: the messages by which rules are given to a database (net/pfpolicy.h of Solaris, version 1),
/// with what ours have besides. The dialect is described in doc/reference/pf-policy.md.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pfkey/message.h"
#include "pfpolicy/diagnostics.h"
#include "policy/rule.h"

namespace ipseckey::pfpolicy {

enum class Type : std::uint8_t {
  flush = 1,       ///< Removes all rules of its scope.
  addrule = 2,     ///< Adds one rule.
  deleterule = 3,  ///< Removes one rule, by its index or by its pattern.
  flip = 4,        ///< The active and the standby rules change places.
  lookup = 5,      ///< Reserved.
  dump = 6,        ///< Each rule, between two messages with RULESET.
  clone = 7,       ///< The standby rules become a copy of the active ones.
  alglist = 8,     ///< These three are Solaris' only.
  dumpalgs = 9,
  updatealgs = 10,
  watch = 0x80,  ///< Ours: from now on the sender gets a notice when active rules change or have dropped packets.
};

/// Which of the two sets of rules.
enum class Spd : std::uint8_t { active = 0, standby = 1 };

struct Port {
  std::uint16_t value = 0;
  bool operator==(const Port&) const = default;
};
struct Protocol {
  std::uint8_t value = 0;
  bool operator==(const Protocol&) const = default;
};
/// An action is a list of them, alternatives parted by kNext (attributes.h).
struct Attribute {
  std::uint32_t tag = 0, value = 0;
  bool operator==(const Attribute&) const = default;
};
struct ActionList {
  std::vector<Attribute> attributes;
  bool operator==(const ActionList&) const = default;
};

inline constexpr std::uint32_t kFlagIn = 1, kFlagOut = 2, kFlagTunnel = 4;

struct RuleData {
  std::uint32_t priority = 0;  ///< The larger is tried first; of equal ones, that which was added first.
  std::uint32_t flags = 0;     ///< kFlagIn and so on; kFlagTunnel: of a tunnel, in tunnel mode.
  std::uint64_t index = 0;     ///< Names the rule; 0 in an addition, and in a removal by pattern.
  bool operator==(const RuleData&) const = default;
};
struct Ruleset {
  std::uint32_t count = 0;
  std::uint64_t version = 0;  ///< Changes with each change of the rules.
  bool operator==(const Ruleset&) const = default;
};
/// 255, 255: any.
struct TypeCode {
  std::uint8_t type = 255, type_end = 255, code = 255, code_end = 255;
  bool operator==(const TypeCode&) const = default;
};
/// What was dropped, by a rule or altogether, and why, for people.
struct Dropped {
  std::uint64_t packets = 0;
  std::string why;
  bool operator==(const Dropped&) const = default;
};
struct Text {
  std::string text;
  bool operator==(const Text&) const = default;
};

struct Message {
  Type type{};
  std::uint8_t error = 0;  ///< errno of a reply.
  Spd spd = Spd::active;
  Diagnostic diagnostic = Diagnostic::none;
  std::uint32_t seq = 0, pid = 0;

  std::optional<Port> local_port, remote_port;
  std::optional<Protocol> protocol;
  std::optional<policy::Prefix> local, remote;
  std::optional<ActionList> action;
  std::optional<RuleData> rule;
  std::optional<Ruleset> ruleset;
  std::optional<TypeCode> type_code;
  std::optional<Text> tunnel;  ///< A tunnel's name; empty: everything, of FLUSH, DUMP, CLONE and FLIP.
  // Ours.
  std::optional<pfkey::Mark> mark;
  std::optional<pfkey::Number> if_id, line;
  std::optional<Text> remark;                      ///< Of an error, for people.
  std::optional<Dropped> dropped_out, dropped_in;  ///< In a DUMP.

  bool operator==(const Message&) const = default;
  /// The same without extensions.
  Message header() const;
};

}  // namespace ipseckey::pfpolicy
