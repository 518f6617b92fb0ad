#pragma once
/// What `ipsecd status` reports about the hook in netfilter.
#include <cstddef>

namespace ipseckey::ipsecd {

struct Hooked {
  unsigned first_queue = 0, queues = 0;
  std::size_t rules = 0;  ///< Of netfilter.
  bool waiting =
      false;  ///< An earlier ipsecd left its rules there, and this one has none yet: what they queue is dropped.
};

}  // namespace ipseckey::ipsecd
