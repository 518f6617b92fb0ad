#pragma once
/// Which of the protected packets on the wire are this run's own probes, or answers to them. Their contents cannot be
/// read: they are known by the time and by the size, which prove chooses at random. Where more than one packet could be
/// it, none is taken.
#include <cstddef>
#include <span>

#include "prove/facts.h"

namespace ipseckey::prove {

/// Octets of an IP packet, with its header, before it is protected.
struct Sizes {
  std::size_t least = 0, most = 0;
};

/// What was sent, and what may answer it.
struct Sent {
  std::size_t begin = 0;           ///< The first sighting after it was sent.
  Sizes sizes;                     ///< Of what was sent.
  std::span<const Sizes> answers;  ///< Of what may come.
  unsigned packets = 1;            ///< The most each way.
  bool answered = true;            ///< If not, what came may be an answer by other algorithms, which was refused.
  bool quiet = false;              ///< Sizes do not prove it: nothing like it may have been there before.
};

/// Whether a protected packet can have held an IP packet of such a size: RFC 4303 section 2, RFC 4302 section 3.3.
/// `slack`: octets more or less, as of another ICV.
bool can_hold(const Facts& f, const Sighting& s, Sizes sizes, std::size_t slack = 0);
/// Sets `mine` of the sightings since `begin`, or `crowded` of the facts.
void claim(Facts& f, const Sent& sent);
/// A copy that was not accepted was refused only if it arrived. This host must have counted it, and the other end, if
/// it tells; otherwise nothing was tried.
void confirm_refusals(Facts& f);

}  // namespace ipseckey::prove
