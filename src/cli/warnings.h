#pragma once
/// Warnings by their kind: the first few of each are shown, the rest is counted, so that none drowns the others. Those
/// that are marked as always shown (lang::Fault::always_shown) are neither counted nor left out.
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lang/faults.h"

namespace ipseckey::cli {

/// The warnings of one source. Two are of one kind if their messages differ only in words that have a digit in them:
/// line numbers, addresses, SPIs.
class Warnings {
 public:
  static constexpr std::size_t kShown = 10;  ///< Of each kind.

  /// Counts a warning, and says whether it is one of the first. `line`: 0 if its source has none.
  bool shows(const lang::Fault& warning, std::uint32_t line);

  /// A line for each kind of which some were not shown, in the order in which the kinds came up: how many there were,
  /// where, and the last one's words. `name`: of the source.
  std::string rest(std::string_view name) const;

 private:
  struct Kind {
    std::size_t count = 0;
    std::uint32_t last = 0;   // Line of the last one that was not shown.
    lang::Fault latest = {};  // That one.
  };

  void find_shape(std::string_view message);

  std::string shape_;
  absl::flat_hash_map<std::string, std::size_t> index_;
  std::vector<Kind> kinds_;
};

}  // namespace ipseckey::cli
