#pragma once
/// What names an SA in a database, as a key of tables and in the files that are kept beside a database.
#include <cstdint>

#include "backend/store.h"
#include "base/net.h"
#include "pfkey/message.h"

namespace ipseckey::backend {

struct SaName {
  pfkey::SaType satype{};
  std::uint32_t spi = 0;  ///< Host order.
  Address dst;
  std::uint32_t mark = 0;  ///< Value; 0 if it has none.
  auto operator<=>(const SaName&) const = default;
};
SaName name_of(const pfkey::Message& m);
/// As four columns or parameters that follow one another: type, SPI, destination, mark.
void bind(Store::Statement& to, const SaName& name);
SaName name_at(const Store::Statement& row, int first_column);

/// Whether two times of an addition, the SADB's and ours, are of the same one: they are seconds apart.
constexpr bool same_moment(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kSameMoment = 5;
  return a + kSameMoment >= b && b + kSameMoment >= a;
}

}  // namespace ipseckey::backend
