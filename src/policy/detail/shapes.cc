#include "policy/detail/shapes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "policy/order.h"

namespace ipseckey::policy {
namespace {

std::uint8_t length(const std::optional<Prefix>& prefix) { return prefix ? prefix->length : Shape::kOpen; }

std::optional<Prefix> cut(const std::optional<Prefix>& prefix, std::uint8_t length) {
  if (!prefix || length == Shape::kOpen) return std::nullopt;
  return Prefix{masked(prefix->address, length), length};
}

}  // namespace

Shape common(const Shape& a, const Shape& b) {
  const auto shorter = [](std::uint8_t x, std::uint8_t y) {
    return x == Shape::kOpen || y == Shape::kOpen ? Shape::kOpen : std::min(x, y);
  };
  return {shorter(a.local, b.local),      shorter(a.remote, b.remote), a.local_port && b.local_port,
          a.remote_port && b.remote_port, a.protocol && b.protocol,    0};
}

bool within(const Shape& a, const Shape& b) {
  const auto fits = [](std::uint8_t x, std::uint8_t y) { return x == Shape::kOpen || (y != Shape::kOpen && x <= y); };
  return fits(a.local, b.local) && fits(a.remote, b.remote) && a.local_port <= b.local_port &&
         a.remote_port <= b.remote_port && a.protocol <= b.protocol;
}

Shapes::Shapes(std::span<const Rule> rules) : rules_(rules) {
  std::map<std::pair<std::optional<Tunnel>, std::uint32_t>, std::uint32_t> places;
  shape_of_.reserve(rules.size()), place_of_.reserve(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Selector& s = rules[i].selector;
    const Shape shape{length(s.local),           length(s.remote),       s.local_port.has_value(),
                      s.remote_port.has_value(), s.protocol.has_value(), boost(rules[i])};
    const auto group = groups_.try_emplace(shape).first;
    group->second.push_back(i);
    shape_of_.push_back(&group->first);
    const auto next = static_cast<std::uint32_t>(places.size());
    place_of_.push_back(places.try_emplace({rules[i].tunnel, rules[i].if_id.value_or(0)}, next).first->second);
  }
}

Shapes::Key Shapes::key(std::size_t rule, const Shape& parts) const {
  const Selector& s = rules_[rule].selector;
  Key key{{}, place_of_[rule]};
  key.parts.local = cut(s.local, parts.local), key.parts.remote = cut(s.remote, parts.remote);
  if (parts.local_port) key.parts.local_port = s.local_port;
  if (parts.remote_port) key.parts.remote_port = s.remote_port;
  if (parts.protocol) key.parts.protocol = s.protocol;
  return key;
}

// FNV-1a.
std::size_t Shapes::Hash::operator()(const Key& key) const {
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&](std::uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
  for (const auto* prefix : {&key.parts.local, &key.parts.remote}) {
    add(prefix->has_value());
    if (*prefix)
      for (const std::byte b : (*prefix)->address.octets) add(std::to_integer<std::uint64_t>(b));
  }
  add(key.parts.local_port.value_or(0)), add(key.parts.remote_port.value_or(0)), add(key.parts.protocol.value_or(0));
  add(key.place);
  return static_cast<std::size_t>(hash ^ hash >> 32);
}

std::span<const std::size_t> Shapes::find(const Shape& of_shape, const Shape& parts, std::size_t rule) {
  const auto [at, fresh] = tables_.try_emplace({of_shape, parts});
  if (fresh)
    for (const std::size_t member : groups_.at(of_shape)) at->second[key(member, parts)].push_back(member);
  const auto found = at->second.find(key(rule, parts));
  if (found == at->second.end()) return {};
  return found->second;
}

}  // namespace ipseckey::policy
