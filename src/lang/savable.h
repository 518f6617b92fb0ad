#pragma once
/// Which SAs a file can hold, and in which order they can be added again; whatever the format of the file.
#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "lang/spec.h"
#include "pfkey/message.h"

namespace ipseckey::lang {

/// An SA that can be added again.
struct SavableSa {
  pfkey::SaType type{};
  Address src, dst;
  bool past_soft_limit = false;  ///< Added again, its life starts from the beginning.
  SaSpec spec = {};
};

/// One that cannot.
struct UnsavableSa {
  pfkey::SaType type{};
  std::uint32_t spi = 0;
  Address dst;
  std::optional<std::string> reason;  ///< A clause; nullopt: it is larval, so there is nothing to keep.
};

/// Whether an SA of a DUMP can be added again as it is. If the language cannot express it, or a load would refuse it,
/// it is left out, because an SA with part of it would be another SA. Takes the keys out of `sa`.
std::expected<SavableSa, UnsavableSa> savable(pfkey::Message&& sa);

/// Makes an order in which SAs can be added out of the one in which they come: a pair must exist when it is named, so
/// of two paired SAs the second names the first.
class PairOrder {
 public:
  /// The next SA of the file: one whose partner is not in the file yet is added without a pair.
  void place(SavableSa& sa);

 private:
  using Name = std::tuple<pfkey::SaType, std::uint32_t, Address, Address>;  // Type, SPI, source, destination.

  std::set<Name> waiting_;  // Paired SAs that are in the file and whose partner is not yet.
};

}  // namespace ipseckey::lang
