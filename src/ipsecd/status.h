#pragma once
/// The status of ipsecd: as text for a person, as JSON, and in the format of Prometheus.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// The packets of the data plane.
struct Traffic {
  std::string device;
  unsigned workers = 1;
  std::uint64_t device_made_again = 0;         ///< How often, because it was gone.
  std::vector<std::uint16_t> busy_ports = {};  ///< UDP ports of SAs that are another program's.
  std::uint64_t keep_alives = 0;               ///< What was sent to keep the mappings of NATs.
  traffic::Totals outbound, inbound;
};

struct Status {
  std::string socket;  ///< Where PF_KEY is served.
  std::size_t sas = 0;
  std::size_t clients = 0;
  std::optional<Traffic> traffic;  ///< nullopt: SAs are kept, no packets are carried.
};

std::string status_text(const Status& status);
/// One line; doc/reference/dataplane.md has its members.
std::string status_json(const Status& status);
/// The text format 0.0.4: counters by direction, and of drops by cause.
std::string status_prometheus(const Status& status);

/// The answer to the first line that a client of the status socket sends: "text", "json", or an HTTP GET of any path,
/// which gets Prometheus' text. Anything else: one line that says so.
std::string status_reply(std::string_view line, const Status& status);

}  // namespace ipseckey::ipsecd
