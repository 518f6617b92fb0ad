// The parts of an SA that Linux cannot store, in an SQLite file:
// 1. side_row_of() takes from a request what the kernel does not store: direction, pair, identities, idle limits, a NAT
//    address.
// 2. put() writes it under the SA's name, or erases the row if there is nothing to store.
// 3. find() and all() read rows; add_side_row() adds a row to the message that describes the SA.
// 4. backend::Store opens the file and prepares the statements of kSql; side_table_path() names one file for each
//    network namespace.
#include "kernel/detail/side_table.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include "kernel/detail/xfrm_add.h"

namespace ipseckey::kernel {
namespace {

constexpr std::uint32_t kDirections = pfkey::kFlagInbound | pfkey::kFlagOutbound;

enum Sql : std::size_t { kFind, kPut, kErase, kAll, kClear };
constexpr std::array kSql = {
    "SELECT * FROM sa WHERE satype=? AND spi=? AND dst=? AND mark=?",
    "INSERT OR REPLACE INTO sa VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "DELETE FROM sa WHERE satype=? AND spi=? AND dst=? AND mark=?",
    "SELECT * FROM sa",
    "DELETE FROM sa WHERE satype=?1 OR ?1=0",
};

// In the order in which the rows are read and bound.
constexpr const char* kSetUp =
    "CREATE TABLE IF NOT EXISTS sa(satype INT, spi INT, dst TEXT, mark INT, added INT, direction INT, pair INT,"
    " sid_type INT, sid_id INT, sid BLOB, did_type INT, did_id INT, did BLOB, idle_add INT, idle_use INT, nat TEXT,"
    " PRIMARY KEY(satype, spi, dst, mark)) WITHOUT ROWID";

}  // namespace

SideRow side_row_of(const pfkey::Message& m) {
  SideRow b;
  b.direction = m.sa->flags & kDirections;
  b.pair = m.pair ? m.pair->spi : 0;
  b.src_identity = m.src_identity, b.dst_identity = m.dst_identity;
  b.idle = m.idle;
  if (m.natt_local && !is_unspecified(m.natt_local->address)) b.nat_local = m.natt_local->address;
  return b;
}

void add_side_row(pfkey::Message& m, const SideRow& b) {
  if ((m.sa->flags & kDirections) == 0) xfrm::set_way(m, b.direction);
  if (b.pair != 0) m.pair = pfkey::Pair{b.pair}, m.sa->flags |= pfkey::kFlagPaired;
  m.src_identity = b.src_identity, m.dst_identity = b.dst_identity;
  m.idle = b.idle;
  if (b.nat_local && m.natt_local) m.natt_local->address = *b.nat_local;
}

// ---- rows

namespace {

void bind(backend::Store::Statement& to, const Boxed<pfkey::Identity>& identity) {
  if (!identity) return to.bind_nulls(3);
  to.bind(static_cast<std::uint64_t>(identity->type));
  to.bind(identity->id);
  to.bind(identity->text);
}

Boxed<pfkey::Identity> identity_of(const backend::Store::Statement& row, int column) {
  if (row.null(column)) return std::nullopt;
  return pfkey::Identity{static_cast<pfkey::IdentityType>(row.number(column)), row.number(column + 1),
                         row.text(column + 2)};
}

std::pair<backend::SaName, SideRow> read(const backend::Store::Statement& row) {
  SideRow b;
  b.added = row.number(4);
  b.direction = static_cast<std::uint32_t>(row.number(5)) & kDirections;
  b.pair = static_cast<std::uint32_t>(row.number(6));
  b.src_identity = identity_of(row, 7), b.dst_identity = identity_of(row, 10);
  if (!row.null(13)) b.idle = pfkey::Lifetime{0, 0, row.number(13), row.number(14)};
  if (!row.null(15)) b.nat_local = parse_address(row.text(15));
  return {name_at(row, 0), std::move(b)};
}

}  // namespace

SideTable::SideTable(std::string path)
    : store_({std::move(path), "where pairs and identities of the kernel's SAs are kept", kSetUp, kSql}) {}

Result<std::optional<SideRow>> SideTable::find(const backend::SaName& name) {
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return std::optional<SideRow>();
  backend::Store::Statement query = store_.statement(kFind);
  bind(query, name);
  switch (query.step()) {
    case backend::Store::Step::row:
      return std::optional(read(query).second);
    case backend::Store::Step::done:
      return std::optional<SideRow>();
    case backend::Store::Step::failed:
      break;
  }
  return store_.trouble("cannot be read");
}

Result<std::map<backend::SaName, SideRow>> SideTable::all() {
  std::map<backend::SaName, SideRow> rows;
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return rows;
  backend::Store::Statement query = store_.statement(kAll);
  auto step = query.step();
  for (; step == backend::Store::Step::row; step = query.step()) rows.insert(read(query));
  if (step == backend::Store::Step::failed) return store_.trouble("cannot be read");
  return rows;
}

Result<void> SideTable::put(const backend::SaName& name, const SideRow& b) {
  if (b.empty()) return erase(name);
  if (auto opened = store_.open(true); !opened) return std::unexpected(opened.error());
  backend::Store::Statement insert = store_.statement(kPut);
  bind(insert, name);
  insert.bind(b.added);
  insert.bind(b.direction);
  insert.bind(b.pair);
  bind(insert, b.src_identity);
  bind(insert, b.dst_identity);
  if (b.idle) {
    insert.bind(b.idle->addtime);
    insert.bind(b.idle->usetime);
  } else {
    insert.bind_nulls(2);
  }
  if (b.nat_local) insert.bind(to_string(*b.nat_local));
  return store_.run(insert);
}

Result<void> SideTable::erase(const backend::SaName& name) {
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  backend::Store::Statement remove = store_.statement(kErase);
  bind(remove, name);
  return store_.run(remove);
}

Result<void> SideTable::clear(pfkey::SaType satype) {
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  backend::Store::Statement remove = store_.statement(kClear);
  remove.bind(static_cast<std::uint64_t>(satype));
  return store_.run(remove);
}

std::string side_table_path() {
  struct stat info{};
  ::stat("/proc/self/ns/net", &info);
  return fmt::format("/run/ipseckey/sadb-{}.db", info.st_ino);
}

}  // namespace ipseckey::kernel
