#pragma once
/// Rules for the tests of this folder: one of each class, both ways, about the peers in a prefix.
#include <string>
#include <string_view>

#include "pfkey/algorithms.h"
#include "policy/rule.h"

namespace ipseckey::policy::testing {

inline Prefix prefix(std::string_view text) {
  const auto slash = text.find('/');
  return {*parse_address(text.substr(0, slash)),
          static_cast<std::uint8_t>(std::stoi(std::string(text.substr(slash + 1))))};
}

inline std::uint8_t auth(std::string_view name) { return find_algorithm(pfkey::AlgorithmKind::auth, name)->number; }
inline std::uint8_t cipher(std::string_view name) {
  return find_algorithm(pfkey::AlgorithmKind::encrypt, name)->number;
}
inline Choice choice(std::uint8_t number) { return {.number = number, .min_bits = {}, .max_bits = {}}; }

inline Rule rule(Action action, Protection protection, std::string_view peers) {
  Rule r;
  if (!peers.empty()) r.selector.remote = prefix(peers);
  r.out = r.in = true;
  r.alternatives = {{action, std::move(protection)}};
  return r;
}
inline Rule pass_rule(std::string_view peers = "") { return rule(Action::pass, {}, peers); }
inline Rule drop_rule(std::string_view peers = "") { return rule(Action::drop, {}, peers); }
inline Rule ah_rule(std::string_view peers = "") {
  Protection p;
  p.ah = choice(auth("sha256"));
  return rule(Action::ipsec, p, peers);
}
inline Rule esp_rule(std::string_view peers = "") {
  Protection p;
  p.cipher = choice(cipher("aes")), p.integrity = choice(auth("sha256"));
  return rule(Action::ipsec, p, peers);
}
inline Rule both_rule(std::string_view peers = "") {
  Rule r = esp_rule(peers);
  r.alternatives[0].protection.ah = choice(auth("sha1"));
  return r;
}

}  // namespace ipseckey::policy::testing
