// How the rule of a packet is found without trying all of them:
// 1. A Shape says which parts of a pattern are given: the lengths of its prefixes, protocol, ports. There are few.
// 2. A Group holds the rules of one shape whose parts are equal; it is found by a hash of them. They differ only in
//    ICMP numbers and marks, which matches() compares.
// 3. find() looks up one group for each shape of the head, shapes with early rules first, and stops when no later shape
//    can have an earlier rule.
// 4. find_possible() does the same in tables whose keys lack ports and ICMP numbers.
#include "policy/lookup.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pfkey/icmp.h"
#include "policy/forwarded.h"

namespace ipseckey::policy {
namespace {

using Position = std::uint32_t;  // A rule's number.

/// What must be known of a packet before a rule of the shape can be about it.
enum class Needs : std::uint8_t { nothing, ports, icmp };

struct Shape {
  std::optional<Family> family;
  std::optional<std::uint8_t> local_length, remote_length;
  bool protocol = false, local_port = false, remote_port = false;
  Needs needs = Needs::nothing;
  bool operator==(const Shape&) const = default;
};

struct Key {
  std::uint32_t shape = 0;
  Address local, remote;
  std::uint16_t local_port = 0, remote_port = 0;
  std::uint8_t protocol = 0;
  bool operator==(const Key&) const = default;

  template <class H>
  friend H AbslHashValue(H h, const Key& k) {
    return H::combine(std::move(h), k.shape, k.local.octets, k.remote.octets, k.local_port, k.remote_port, k.protocol);
  }
};

std::optional<Family> family_of(const Selector& s) {
  if (s.local) return s.local->address.family;
  if (s.remote) return s.remote->address.family;
  return std::nullopt;
}

std::optional<std::uint8_t> length_of(const std::optional<Prefix>& prefix) {
  return prefix ? std::optional(prefix->length) : std::nullopt;
}

Shape shape_of(const Selector& s, Needs needs) {
  return {.family = family_of(s),
          .local_length = length_of(s.local),
          .remote_length = length_of(s.remote),
          .protocol = s.protocol.has_value(),
          .local_port = s.local_port.has_value(),
          .remote_port = s.remote_port.has_value(),
          .needs = needs};
}

Key key_of(const Selector& s, std::uint32_t shape) {
  return {.shape = shape,
          .local = s.local ? masked(s.local->address, s.local->length) : Address{},
          .remote = s.remote ? masked(s.remote->address, s.remote->length) : Address{},
          .local_port = s.local_port.value_or(0),
          .remote_port = s.remote_port.value_or(0),
          .protocol = s.protocol.value_or(0)};
}

bool has(const Probe& p, Needs needs) {
  switch (needs) {
    case Needs::nothing:
      return true;
    case Needs::ports:
      return has_ports(p.protocol);
    case Needs::icmp:
      return pfkey::is_icmp(p.protocol);
  }
  return false;
}

/// The parts of the packet that the shape asks for; nullopt: it lacks one, or is of the other family.
std::optional<Key> key_of(const Probe& p, const Shape& shape, std::uint32_t number) {
  if (shape.family && *shape.family != p.local.family) return std::nullopt;
  if ((shape.local_port && !p.local_port) || (shape.remote_port && !p.remote_port)) return std::nullopt;
  if (!has(p, shape.needs)) return std::nullopt;
  return Key{.shape = number,
             .local = shape.local_length ? masked(p.local, *shape.local_length) : Address{},
             .remote = shape.remote_length ? masked(p.remote, *shape.remote_length) : Address{},
             .local_port = shape.local_port ? *p.local_port : std::uint16_t{0},
             .remote_port = shape.remote_port ? *p.remote_port : std::uint16_t{0},
             .protocol = shape.protocol ? p.protocol : std::uint8_t{0}};
}

/// The rules of one head in one direction.
class Table {
 public:
  /// Rules are added in their order.
  void add(Selector selector, Position at, Needs needs = Needs::nothing) {
    const Shape shape = shape_of(selector, needs);
    auto found = std::ranges::find(shapes_, shape, &Listed::shape);
    if (found == shapes_.end()) found = shapes_.insert(found, {shape, at});
    groups_[key_of(selector, static_cast<std::uint32_t>(found - shapes_.begin()))].push_back(at);
  }

  /// The first rule in the packet's groups for which `is` is true. Calls `count` for each group and rule compared.
  template <class Is, class Count>
  std::optional<std::size_t> find(const Probe& p, Is is, Count count) const {
    std::optional<std::size_t> best;
    for (std::uint32_t i = 0; i < shapes_.size() && !(best && shapes_[i].first > *best); ++i) {
      const auto key = key_of(p, shapes_[i].shape, i);
      if (!key) continue;
      count();
      const auto group = groups_.find(*key);
      if (group == groups_.end()) continue;
      for (const Position at : group->second) {
        if (best && at > *best) break;
        count();
        if (!is(at)) continue;
        best = at;
        break;
      }
    }
    return best;
  }

 private:
  struct Listed {
    Shape shape;
    Position first;  // Its earliest rule: ascends.
  };
  std::vector<Listed> shapes_;
  absl::flat_hash_map<Key, std::vector<Position>> groups_;
};

/// What a rule names that a fragment does not have.
Needs names(const Selector& s) {
  if (s.local_port || s.remote_port) return Needs::ports;
  return s.icmp_type || s.icmp_code ? Needs::icmp : Needs::nothing;
}

Selector without_ports(Selector s) {
  s.local_port.reset(), s.remote_port.reset(), s.icmp_type.reset(), s.icmp_code.reset();
  return s;
}

bool refuses_clear(const Rule& rule) {
  const Outcome o = outcome(rule, Direction::in);
  return o == Outcome::protect || o == Outcome::discard;
}

constexpr std::array kDirections = {Direction::out, Direction::in};
constexpr std::size_t index_of(Direction d) { return d == Direction::out ? 0 : 1; }

}  // namespace

struct Lookup::State {
  struct Tables {
    bool discards_the_rest = false;
    std::array<Table, 2> exact, possible;  // By direction.
  };

  Rules rules;
  std::vector<Tables> heads = std::vector<Tables>(2);
  std::map<std::string, Head, std::less<>> tunnels;
  std::map<std::pair<Address, Address>, Head> between;  // Local and remote end; also with an unspecified remote one.

  explicit State(Rules given) : rules(std::move(given)) {
    const std::vector<Forwarded> forwarded = about_forwarded(rules);
    for (Position at = 0; at < rules.size(); ++at) {
      const Rule& rule = rules[at];
      add(heads[head_of(rule)], at, {rule.out, rule.in});
      add(heads[kForwarded], at, forwarded[at]);
    }
  }

  Head head_of(const Rule& rule) {
    if (!rule.tunnel) return kHost;
    const auto [at, fresh] = tunnels.try_emplace(rule.tunnel->name, static_cast<Head>(heads.size()));
    if (fresh) heads.emplace_back();
    Tables& tables = heads[at->second];
    tables.discards_the_rest |= rule.tunnel->whole_packets;
    for (const Alternative& a : rule.alternatives) {
      if (!a.protection.ends) continue;
      const auto& [local, remote] = *a.protection.ends;
      between.try_emplace({local, remote}, at->second);
      between.try_emplace({local, unspecified(remote.family)}, at->second);
    }
    return at->second;
  }

  void add(Tables& tables, Position at, const Forwarded& directions) {
    const Rule& rule = rules[at];
    for (const Direction d : kDirections) {
      if (!directions.has(d)) continue;
      tables.exact[index_of(d)].add(rule.selector, at);
      const Needs needs = names(rule.selector);
      if (needs == Needs::nothing || (d == Direction::in && !refuses_clear(rule))) continue;
      tables.possible[index_of(d)].add(without_ports(rule.selector), at, needs);
    }
  }

  template <class Count>
  std::optional<std::size_t> find(const Probe& p, Direction d, Head head, Count count) const {
    const auto is = [&](Position at) { return matches(rules[at], p, d); };
    return heads[head].exact[index_of(d)].find(p, is, count);
  }
};

Lookup::Lookup(Rules rules, Tallies tallies)
    : state_(std::make_unique<const State>(std::move(rules))), tallies_(std::move(tallies)) {}
Lookup::~Lookup() = default;

const Rules& Lookup::rules() const { return state_->rules; }

std::optional<std::size_t> Lookup::find(const Probe& packet, Direction direction, Head head) const {
  return state_->find(packet, direction, head, [] {});
}

std::optional<std::size_t> Lookup::find_possible(const Probe& packet, Direction direction, Head head) const {
  const auto is = [&](Position at) { return marks_fit(state_->rules[at], packet); };
  return state_->heads[head].possible[index_of(direction)].find(packet, is, [] {});
}

std::optional<Lookup::Head> Lookup::tunnel(std::string_view name) const {
  const auto found = state_->tunnels.find(name);
  return found == state_->tunnels.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Lookup::Head> Lookup::tunnel_between(const Address& local, const Address& remote) const {
  const auto found = state_->between.find({local, remote});
  return found == state_->between.end() ? std::nullopt : std::optional(found->second);
}

bool Lookup::discards_the_rest(Head head) const { return state_->heads[head].discards_the_rest; }

std::size_t Lookup::effort(const Probe& packet, Direction direction, Head head) const {
  std::size_t steps = 0;
  state_->find(packet, direction, head, [&] { ++steps; });
  return steps;
}

}  // namespace ipseckey::policy
