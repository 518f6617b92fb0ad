#pragma once
/// The words that describe one packet: `from ADDRESS to ADDRESS proto tcp dport 443 in`. Another table over the same
/// machinery.
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/net.h"
#include "policy/match.h"
#include "table/names.h"
#include "table/row.h"

namespace ipseckey::policylang {

enum class PacketWay : std::uint8_t { out, in, forward };

/// A packet as the cable sees it.
struct Packet {
  Address from, to;  ///< Of one family.
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> source_port, destination_port;
  std::optional<std::uint8_t> icmp_type, icmp_code;
  std::string tunnel;  ///< The tunnel that it is inside of; empty: none.
  std::uint32_t mark = 0, if_id = 0;
  std::optional<PacketWay> way;  ///< Absent: it was not said.
};

/// The words, separated by blanks. The error is the text of all faults, a line each, with the place marked.
std::expected<Packet, std::string> read_packet(std::string_view words, const table::Names& names);

/// The packet as rules see it, sent or received here.
policy::Flow flow_of(const Packet& packet, policy::Direction direction);

/// Its rows, for help, manual page and completion.
std::span<const table::Row* const> packet_rows();

}  // namespace ipseckey::policylang
