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

/// The data plane obeys the active rules; nullptr: no packets are carried, and if `need_packets`, rules are refused. A
/// rule of a tunnel is about packets of an interface of that name.
engine::RuleBookOptions rule_options(Dataplane* dataplane, bool need_packets);

}  // namespace ipseckey::ipsecd
