#pragma once
/// How complete packets leave, for the status.
#include <cstdint>
#include <string>
#include <vector>

#include "ipsecd/packets/road.h"

namespace ipseckey::ipsecd {

struct Leaving {
  struct Row {
    Address to;                    ///< The destination of protected packets.
    Detour detour = Detour::none;  ///< none: they leave by the packet socket of a link.
    std::string link = {};         ///< That link.
  };
  std::vector<Row> rows = {};  ///< Destinations in use, by address.
  std::uint64_t framed = 0;    ///< Packets that were passed to packet sockets.
};

}  // namespace ipseckey::ipsecd
