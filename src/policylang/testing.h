#pragma once
/// What the tests of this folder share.
#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "policylang/file.h"
#include "policylang/write.h"

namespace ipseckey::policylang::testing {

/// `campus` is a network, and so is `one`, but first it is a host. `one` has an IPv4 address, `two` two, `six` an IPv6
/// address, `both` one of each.
inline const table::Names& names() {
  static const table::Names kNames = {
      [](const std::string& name) -> Result<std::vector<Address>> {
        const Address first = *parse_address("192.0.2.1"), second = *parse_address("192.0.2.2");
        const Address six = *parse_address("2001:db8::6");
        if (name == "one") return std::vector{first};
        if (name == "two") return std::vector{first, second};
        if (name == "six") return std::vector{six};
        if (name == "both") return std::vector{first, six};
        return fail(Errc::not_found, "no such host");
      },
      [](const std::string& name) -> std::optional<std::uint8_t> {
        if (name == "tcp") return 6;
        if (name == "udp") return 17;
        if (name == "icmp") return 1;
        if (name == "ipv6-icmp") return 58;
        return std::nullopt;
      },
      [](const std::string& name) { return name == "telnet" ? std::optional<std::uint16_t>(23) : std::nullopt; },
      {},
      [](const std::string& name) -> std::optional<table::NamedNetwork> {
        if (name == "campus" || name == "one") return table::NamedNetwork{*parse_address("10.1.0.0"), 16};
        return std::nullopt;
      },
  };
  return kNames;
}

inline PolicyFile read(std::string_view text) { return read_policy(text, "rules", names()); }

/// Every fault as "rules:LINE:COLUMN: error: message\n", without the line of the file.
inline std::string report(const PolicyFile& file) {
  std::string out;
  for (const FileFault& fault : file.faults) out.append(fault.shown, 0, fault.shown.find('\n') + 1);
  return out;
}
inline std::string report(std::string_view text) { return report(read(text)); }

/// The rules of a text in the words of the writer; the faults, if there are any.
inline std::string written(std::string_view text) {
  const PolicyFile file = read(text);
  return report(file) + write_rules(file.rules);
}

}  // namespace ipseckey::policylang::testing
