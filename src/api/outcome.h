#pragma once
/// What a reply of the SADB means for the command that asked.
#include <string>

#include "lang/spec.h"
#include "pfkey/message.h"

namespace ipseckey::api {

struct Asked {
  pfkey::SaType satype;
  std::uint32_t spi;
  Address dst;
  bool check;  ///< Asked of an empty engine, which cannot know SAs that the file does not add.
};

struct Outcome {
  bool ok;
  std::string text;                       ///< Why it was refused, or a reservation about what was done.
  lang::Slot about = &lang::SaSpec::spi;  ///< The keyword that a refusal is about.
  bool ends_swapped = false;              ///< With src and dst swapped it might be accepted.
};

/// In the words of the manual's DIAGNOSTICS where it has some; errno and diagnostic are never dropped.
Outcome outcome_of(const pfkey::Message& reply, const Asked& asked);

/// "added esp SA spi 0x2112 dst 192.0.2.1": what a command did, for commands that do it to many SAs.
std::string done_text(pfkey::Type type, const Asked& asked);

}  // namespace ipseckey::api
