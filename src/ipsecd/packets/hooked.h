#pragma once
/// What `ipsecd status` reports about the hook in netfilter.
#include <cstddef>
#include <cstdint>

namespace ipseckey::ipsecd {

struct Hooked {
  unsigned first_queue = 0, queues = 0;
  std::size_t rules = 0;         ///< Of netfilter.
  std::uint64_t made_again = 0;  ///< How often the tables were, because another program changed or removed them.
  bool owned = false;  ///< No other program can change or remove them, or their tables, while this ipsecd runs.
  bool waiting =
      false;  ///< An earlier ipsecd left its rules there, and this one has none yet: what they queue is dropped.
};

}  // namespace ipseckey::ipsecd
