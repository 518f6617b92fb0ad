#pragma once
/// Finds, among many rules, those that can have packets in common with a given one, without comparing it with each.
///
/// The shape of a rule is which parts its pattern names, and how many bits of its addresses. Rules of one shape that
/// are about a given packet are equal in all of these parts, so one hash look-up finds them; and files of thousands of
/// rules have few shapes.
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

/// Without ICMP numbers and marks, which are ranges.
struct Shape {
  static constexpr std::uint8_t kOpen = 255;  ///< No address.
  std::uint8_t local = kOpen, remote = kOpen;
  bool local_port = false, remote_port = false, protocol = false;
  std::uint32_t boost = 0;  ///< As boost() in order.h; of rules to be found by class.

  auto operator<=>(const Shape&) const = default;
};

/// The parts that both name.
Shape common(const Shape& a, const Shape& b);
/// Whether the second names all parts that the first one names.
bool within(const Shape& a, const Shape& b);

class Shapes {
 public:
  /// The rules must outlive it.
  explicit Shapes(std::span<const Rule> rules);

  const Shape& of(std::size_t rule) const { return *shape_of_[rule]; }
  /// Whether looking up is quicker than comparing each rule with each.
  bool few() const { return groups_.size() * 16 <= rules_.size(); }

  /// Every shape, with its rules.
  const std::map<Shape, std::vector<std::size_t>>& groups() const { return groups_; }

  /// The rules of shape `of_shape` that agree with `rule` in the parts `parts`, which both name; in their order.
  std::span<const std::size_t> find(const Shape& of_shape, const Shape& parts, std::size_t rule);

 private:
  struct Key {
    Selector parts;
    std::uint32_t place;  // Rules of one tunnel and XFRM interface.
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  using Table = std::unordered_map<Key, std::vector<std::size_t>, Hash>;

  Key key(std::size_t rule, const Shape& parts) const;

  std::span<const Rule> rules_;
  std::map<Shape, std::vector<std::size_t>> groups_;
  std::vector<const Shape*> shape_of_;
  std::vector<std::uint32_t> place_of_;
  std::map<std::pair<Shape, Shape>, Table> tables_;  // By shape and the parts that are compared; made when needed.
};

}  // namespace ipseckey::policy
