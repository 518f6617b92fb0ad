#pragma once
/// Finds, among many rules, those whose addresses have something in common with a given one's, however many lengths of
/// prefixes there are. Two prefixes do if one is within the other. So those around a prefix are found by one look-up
/// for each shorter length, and those within it are neighbours in the order of addresses.
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

class Neighbours {
 public:
  enum class Which : std::uint8_t {
    around,       ///< Those that may be about all of its packets.
    overlapping,  ///< Those that may be about one of its packets.
  };

  /// The rules must outlive it.
  explicit Neighbours(std::span<const Rule> rules);

  /// All such rules, and perhaps others, because only one of the two addresses counts: that with fewer. In any
  /// order.
  std::vector<std::size_t> find(std::size_t rule, Which which) const;

 private:
  struct Entry {
    Prefix prefix;
    std::size_t rule;
  };
  /// One of the two addresses.
  struct Side {
    std::vector<Entry> entries;  // By family, address and length.
    std::vector<std::size_t> open;
    std::array<std::array<bool, 129>, 2> lengths{};  // Whether an entry has it, by family.
  };
  struct Found {
    std::vector<std::span<const Entry>> entries;
    std::size_t count = 0;
    bool all = false;
  };
  static Found look_up(const Side& side, const std::optional<Prefix>& prefix, Which which);

  std::span<const Rule> rules_;
  std::array<Side, 2> sides_;
};

}  // namespace ipseckey::policy
