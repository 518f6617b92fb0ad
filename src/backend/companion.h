#pragma once
/// What the kernel has no place for: pairs, identities, idle limits, directions, the public address of a NAT. Kept in a
/// small SQLite file beside it; no key is ever in it. A row is only a hint: it counts while the kernel has that very
/// SA.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "backend/store.h"
#include "base/net.h"
#include "base/result.h"
#include "pfkey/message.h"

namespace backend {

/// What names an SA of the kernel.
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

/// What is kept of one SA.
struct Beside {
  std::uint64_t added = 0;  ///< Seconds since 1970, by the kernel's clock: tells an SA from a later one of its name.
  std::uint32_t direction = 0;  ///< SaFlag bits inbound and outbound, as asked for.
  std::uint32_t pair = 0;       ///< SPI of the partner, host order; 0: none.
  Boxed<pfkey::Identity> src_identity, dst_identity;
  std::optional<pfkey::Lifetime> idle;
  std::optional<Address> nat_local;

  bool empty() const { return direction == 0 && pair == 0 && !src_identity && !dst_identity && !idle && !nat_local; }
  bool operator==(const Beside&) const = default;
};

/// The part of an SA's message that belongs here.
Beside beside_of(const pfkey::Message& m);
/// Adds it to what the kernel says of the SA.
void add_beside(pfkey::Message& m, const Beside& beside);

/// The file, a Store.
class Companion {
 public:
  explicit Companion(std::string path);

  /// Whether the file is there, as of the last look: then its rows may have to go when SAs do.
  bool there() const { return store_.there(); }
  /// Somebody else may have made it meanwhile.
  void look_again() { store_.look_again(); }

  Result<std::optional<Beside>> find(const SaName& name);
  Result<std::map<SaName, Beside>> all();
  /// An empty Beside removes the row.
  Result<void> put(const SaName& name, const Beside& beside);
  Result<void> erase(const SaName& name);
  /// All rows of a type; unspec: all.
  Result<void> clear(pfkey::SaType satype);
  /// Until commit() changes are one change.
  Result<void> begin() { return store_.begin(); }
  Result<void> commit() { return store_.commit(); }

  const std::string& path() const { return store_.path(); }

 private:
  Store store_;
};

/// The file for this process' network namespace, each of which has SAs of its own: /run/ipseckey/sadb-NUMBER.db.
std::string companion_path();

}  // namespace backend
