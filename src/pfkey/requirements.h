#pragma once
/// THE table of what every SADB asks of an ADD, and of other requests about an SA: our engine and the kernel's backend
/// are loops over it, and each adds the few rows that are its own. Each row judges only the message; what needs the
/// SADB's other SAs, its network or its clock is not here.
#include <cstdint>
#include <span>
#include <string_view>

#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// What differs between SADBs, each with its reason. Usable algorithms differ, too: see Asked::auth.
struct SadbFacts {
  bool labels = false;    ///< It has a label policy. Linux: only with SELinux; ipsecd carries no labels.
  bool is_linux = false;  ///< It is the kernel, which does what ipsecd cannot (Kept::only_linux, with each reason).
  bool active_elsewhere = true;  ///< An SA may be another node's for now. The kernel's are mature from the start.
  std::string_view why_no_labels = {}, why_mature = {};  ///< The SADB's words for it, static; empty: it has none.
};

/// A request, as the requirements see it.
struct Asked {
  const Message& m;
  SadbFacts sadb;
  const Algorithm* auth = nullptr;     ///< Null: none is named, it is unknown, or the SADB cannot use it.
  const Algorithm* encrypt = nullptr;  ///< The same.
  bool extended = false;               ///< The SA has sequence numbers of 64 bits, or gets them.
};

/// The parts of the table, in the order in which they are asked. Each part may rely on those before it.
enum class Part : std::uint8_t {
  contents,   ///< Of single extensions, whatever the request.
  ends,       ///< The outer addresses, whatever the request.
  traffic,    ///< Inner addresses, protocols, ports; extensions that no request for one SA may have.
  source,     ///< From here on: an ADD, or an UPDATE that completes a larval SA.
  name,       ///< What names an SA is there.
  essence,    ///< Keys and algorithms that must or must not be there, state, flags.
  lifetimes,  ///< Of an UPDATE, too. Soft limits above hard ones, idle limits above either.
  nat,        ///< NAT traversal; CURRENT, which nobody may give.
  labels,     ///< Of an UPDATE, too.
  keys,       ///< Keys and ICVs that suit their algorithms.
  strength,   ///< Of an UPDATE, too: no integrity; weak keys.
  tunnel,     ///< The outer protocol of inner addresses.
  mode,       ///< What means nothing for such an SA: a tunnel without inner addresses, say.
  numbers,    ///< Of an UPDATE, too. Sequence numbers and windows that are too large.
};

struct Requirement {
  Part part;
  std::uint8_t error;  ///< errno, the host's numbers.
  Diagnostic diagnostic;
  std::string_view words;  ///< Which of the diagnostic's causes it is; empty: the diagnostic says it all.
  bool (*broken)(const Asked&);
  std::string_view (*told)(const Asked&) = nullptr;  ///< Instead of `words`: static ones that depend on the request.

  std::string_view words_for(const Asked& asked) const { return told ? told(asked) : words; }
};

/// The table, its parts in order.
std::span<const Requirement> requirements();

/// The first row of the parts from `first` to `last` that the request breaks; nullptr: none.
template <Part first, Part last = first>
const Requirement* first_broken(const Asked& asked);

/// Flags that a client may set, by SA type: in an ADD, or in an UPDATE of an SA that is not larval.
constexpr std::uint32_t settable_flags(SaType satype, bool update) {
  constexpr std::uint32_t kAlways = kFlagNoReplay | kFlagInbound | kFlagOutbound | kFlagPaired | kFlagManager1 |
                                    kFlagManager2 | kFlagManager3 | kFlagManager4;
  constexpr std::uint32_t kNat = kFlagNatted | kFlagNattLocal | kFlagNattRemote;  // AH cannot pass one.
  constexpr std::uint32_t kAddAlone = kFlagTunnel | kFlagAalg1 | kFlagAalg2, kEspAdd = kFlagEalg1 | kFlagEalg2;
  const bool esp = satype == SaType::esp;
  return kAlways | (esp ? kNat : 0) | (update ? 0 : kAddAlone | (esp ? kEspAdd : 0));
}

}  // namespace ipseckey::pfkey
