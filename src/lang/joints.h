#pragma once
/// THE table that joins the keywords to the PF_KEY message, in both directions: each member of SaSpec whose value has
/// one place there. request.h, to_spec.h and compare.h are loops over it; what depends on several keywords (addresses,
/// keys, NAT traversal) is theirs.
#include <span>

#include "lang/spec.h"
#include "pfkey/message.h"

namespace lang {

/// How many sequence numbers a saved SA leaves out that has sent packets: what it sends between the save and the load.
inline constexpr std::uint64_t kSaveMargin = std::uint64_t{1} << 20;

/// What of a row does not depend on the type of its value.
struct Joined {
  Slot slot;       ///< The member.
  bool names;      ///< Commands that look for an SA say it, too.
  bool updatable;  ///< An UPDATE of a complete SA can change it on every SADB.
};

/// The rows, in the order in which values are put.
std::span<const Joined> joined();

enum class Put { names, all };

/// Puts the values that the spec has into the message, which has its `sa`. Long ones move out of the spec.
void put_joined(SaSpec& spec, Put which, pfkey::Message& m);

/// Sets the members that the message, which has its `sa`, has a value for: what `add` would have to say.
void take_joined(const pfkey::Message& m, SaSpec& spec);

/// Leaves out each value that means the same as none.
void settle_joined(SaSpec& spec);

}  // namespace lang
