#pragma once
/// What the tests of the language share: fake name services, and the way of a command from text to messages and faults.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lang/request.h"

namespace ipseckey::lang::testing {

inline Address address(std::string_view text) { return parse_address(text).value(); }

inline const Names& names() {
  static const std::map<std::string, std::vector<std::string_view>, std::less<>> kHosts = {
      {"me.domain.com", {"192.0.2.1"}},
      {"you.domain.com", {"192.0.2.2"}},
      {"me.example.com", {"192.0.2.1"}},
      {"you.example.com", {"192.0.2.2"}},
      {"mypeer", {"192.0.2.3"}},
      {"six", {"2001:db8::6"}},
      {"both", {"192.0.2.7", "2001:db8::7"}},
      {"two", {"192.0.2.8", "192.0.2.9"}},
      {"link", {"fe80::1"}},
      {"many-scopes", {"2001:db8::8", "fe80::8", "::1"}},
  };
  static const Names kNames = {
      [](const std::string& name) -> Result<std::vector<Address>> {
        const auto host = kHosts.find(name);
        if (host == kHosts.end()) return fail(Errc::not_found, "no such host");
        std::vector<Address> found;
        for (const std::string_view a : host->second) found.push_back(address(a));
        return found;
      },
      [](const std::string& name) { return name == "tcp" ? std::optional<std::uint8_t>(6) : std::nullopt; },
      [](const std::string& name) { return name == "https" ? std::optional<std::uint16_t>(443) : std::nullopt; },
  };
  return kNames;
}

/// What came of one command: its messages and every fault, rendered.
struct Outcome {
  std::vector<pfkey::Message> messages;
  std::string report;
};

inline Outcome run(std::string_view text, Where where = Where::file, const Origin& origin = {"keys", 1},
                   bool caret = false) {
  Outcome outcome;
  Parser parser(names());
  auto command = parser.parse(text, where);
  Faults faults = parser.faults();
  if (command)
    to_messages(
        std::move(*command), names(), [&](Objection&& o) { faults.push_back(parser.place(std::move(o))); },
        outcome.messages);
  for (const Fault& fault : faults) render(fault, text, origin, caret, outcome.report);
  return outcome;
}

inline std::string report(std::string_view text, Where where = Where::file) { return run(text, where).report; }

}  // namespace ipseckey::lang::testing
