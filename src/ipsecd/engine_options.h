#pragma once
/// What the engine and its rules get from this host and from the data plane.
#include <vector>

#include "engine/engine.h"
#include "engine/rule_book.h"
#include "pfkey/algorithms.h"
#include "system/local_addresses.h"

namespace ipseckey::ipsecd {

class Dataplane;

/// The algorithms that the library lacks. The check loads the others from their files, which ipsecd cannot open later.
std::vector<const pfkey::Algorithm*> lacking();

/// `dataplane`: carries packets for the SAs; nullptr: the SAs are for other programs. Everything outlives the engine.
engine::Options engine_options(LocalAddresses& local, Dataplane* dataplane, engine::Keeper* keeper);

/// The data plane obeys the active rules; nullptr: they are stored, but no packets are carried. A rule of a tunnel is
/// about packets of an interface of that name.
engine::RuleBookOptions rule_options(Dataplane* dataplane);

}  // namespace ipseckey::ipsecd
