#pragma once
/// The status of ipsecd: as text for people, as JSON, and in the Prometheus format.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rule_book.h"
#include "ipsecd/packets/hooked.h"
#include "ipsecd/packets/leaving.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// The packets of the data plane.
struct Traffic {
  std::string device;  ///< Empty: none.
  std::optional<Hooked> hook = {};
  unsigned workers = 1;
  std::uint64_t device_made_again = 0;         ///< How often it was created again because it disappeared.
  std::vector<std::uint16_t> busy_ports = {};  ///< UDP ports of SAs that another program uses.
  std::uint64_t keep_alives = 0;               ///< Keepalives sent so that NAT mappings stay alive.
  std::optional<Leaving> leaving = {};         ///< nullopt: packets without UDP leave by raw sockets only.
  traffic::Totals outbound, inbound;
};

struct Status {
  std::string socket;  ///< Where PF_KEY is served.
  std::size_t sas = 0;
  std::size_t rules = 0;  ///< In force; none: routing is the policy.
  std::size_t clients = 0;
  std::vector<engine::RuleBook::Refusing> refusing = {};  ///< Rules that have dropped packets.
  std::optional<Traffic> traffic;                         ///< nullopt: SAs are stored, but no packets are carried.
};

std::string status_text(const Status& status);
/// One line; doc/reference/dataplane.md describes its members.
std::string status_json(const Status& status);
/// The text format 0.0.4: counters by direction, and drops by cause.
std::string status_prometheus(const Status& status);

/// The answer to a status client's first line: "text", "json", "leaving" (the lines of the text about how packets
/// leave), or an HTTP GET of any path, which gets Prometheus' text. Anything else: one line that names these.
std::string status_reply(std::string_view line, const Status& status);

}  // namespace ipseckey::ipsecd
