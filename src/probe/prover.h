#pragma once
/// Finds out about one rule: sends probes, watches the wire, repeats a packet, and asks the other end.
/// It keeps to a budget, and nothing is changed.
#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "prove/facts.h"

namespace ipseckey::probe {

/// What may be spent on a rule, over all its peers.
struct Budget {
  unsigned packets = 50;
  std::chrono::milliseconds time{4'800};
};

/// One rule, and what is known about it before.
struct Plan {
  prove::Facts facts;                    ///< What should be; the rest is filled in.
  Address outer_from;                    ///< Of this host's protected packets; unspecified: not known.
  std::uint32_t mark = 0;                ///< Of the probes.
  std::vector<std::uint16_t> udp_ports;  ///< Of SAs in UDP.
  policy::Prefix wanted;                 ///< An address of the other end's is looked for here.
  std::string database;                  ///< For read_local().
  Budget budget;
  std::function<void(prove::Facts&)> serve;  ///< Which rule and SAs serve the flow, as far as it is known.
};

/// Carries it out. Errors: denied, io: nothing could be tried.
Result<prove::Facts> observe(Plan plan);

/// An address in the network that the end with `--respond` has; nullopt: it does not answer. Two packets at most.
std::optional<Address> address_there(const Address& end, const policy::Prefix& network,
                                     std::chrono::milliseconds patience);

}  // namespace ipseckey::probe
