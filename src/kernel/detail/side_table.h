#pragma once
/// What the kernel cannot store: pairs, identities, idle limits, directions, the public address of a NAT. It is kept in
/// a small SQLite file, which never contains a key. A row is only a hint: it is valid only while the kernel has exactly
/// that SA.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "backend/sa_name.h"
#include "backend/store.h"
#include "base/net.h"
#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey::kernel {

/// The stored parts of one SA.
struct SideRow {
  std::uint64_t added = 0;      ///< Seconds since 1970, by the kernel's clock: distinguishes SAs of the same name.
  std::uint32_t direction = 0;  ///< SaFlag bits inbound and outbound, as requested.
  std::uint32_t pair = 0;       ///< SPI of the partner, host order; 0: none.
  Boxed<pfkey::Identity> src_identity, dst_identity;
  std::optional<pfkey::Lifetime> idle;
  std::optional<Address> nat_local;

  bool empty() const { return direction == 0 && pair == 0 && !src_identity && !dst_identity && !idle && !nat_local; }
  bool operator==(const SideRow&) const = default;
};

/// The part of an SA's message that is stored here.
SideRow side_row_of(const pfkey::Message& m);
/// Adds it to the kernel's description of the SA.
void add_side_row(pfkey::Message& m, const SideRow& beside);

/// The file, a Store.
class SideTable {
 public:
  explicit SideTable(std::string path);

  /// Whether the file existed when last checked: if so, its rows are removed together with SAs.
  bool there() const { return store_.there(); }
  /// Another process may have created it in the meantime.
  void look_again() { store_.look_again(); }

  Result<std::optional<SideRow>> find(const backend::SaName& name);
  Result<std::map<backend::SaName, SideRow>> all();
  /// An empty SideRow removes the row.
  Result<void> put(const backend::SaName& name, const SideRow& beside);
  Result<void> erase(const backend::SaName& name);
  /// All rows of a type; unspec: all.
  Result<void> clear(pfkey::SaType satype);
  /// All changes until commit() are one transaction.
  Result<void> begin() { return store_.begin(); }
  Result<void> commit() { return store_.commit(); }

  const std::string& path() const { return store_.path(); }

 private:
  backend::Store store_;
};

/// The file for this process's network namespace, each of which has its own SAs: /run/ipseckey/sadb-NUMBER.db.
std::string side_table_path();

}  // namespace ipseckey::kernel
