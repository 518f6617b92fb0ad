// The record of which file owns which SAs:
// 1. A row of `source` is a file at a SADB, a row of `owned` an SA of a source and when it was added. `process` has the
//    process behind a SADB, `boot` the boot that all rows are of.
// 2. prune() removes the rows of another boot and of SADBs that are gone, and notes the process that serves now.
// 3. read() returns what the owner has and what others have. The service has the rows of every file that it applied.
// 4. put() and erase() first delete the owner's row of an SA, the service's of any file; put() then writes the new one.
// 5. put(), erase() and prune() are one transaction each.
#include "apply/owner_rows.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace ipseckey::apply {
namespace {

enum Sql : std::size_t {
  kAll,
  kSource,
  kService,
  kPut,
  kErase,
  kClear,
  kNoSource,
  kNoProcess,
  kSadbs,
  kProcess,
  kRename,
  kBoot,
  kOtherBoot,
  kNoOtherBoot
};
constexpr std::array kSql = {
    "SELECT file, service, satype, spi, dst, mark, added FROM owned JOIN source ON source = id WHERE sadb=?",
    "INSERT OR IGNORE INTO source(sadb, file, service) VALUES(?,?,0)",
    "UPDATE source SET service=1 WHERE sadb=? AND file=?",
    "INSERT OR REPLACE INTO owned SELECT id, ?3, ?4, ?5, ?6, ?7 FROM source WHERE sadb=?1 AND file=?2",
    "DELETE FROM owned WHERE source IN (SELECT id FROM source WHERE sadb=?1 AND (file=?2 OR (service=1 AND ?3)))"
    " AND satype=?4 AND spi=?5 AND dst=?6 AND mark=?7",
    "DELETE FROM owned WHERE source IN (SELECT id FROM source WHERE sadb=?)",
    "DELETE FROM source WHERE sadb=?",
    "DELETE FROM process WHERE sadb=?",
    "SELECT DISTINCT source.sadb, pid, start, view FROM source LEFT JOIN process ON process.sadb = source.sadb",
    "INSERT OR REPLACE INTO process VALUES(?,?,?,?)",
    "UPDATE OR IGNORE source SET sadb=?2 WHERE sadb=?1",
    "INSERT OR IGNORE INTO boot VALUES(?)",
    "SELECT 1 FROM boot WHERE id<>?",
    "DELETE FROM boot WHERE id<>?",
};

// Several ipsecds may run at one path, in different mount namespaces. Then rows stay, whichever of them ends.
constexpr backend::SadbProcess kSeveral{0, 0, 1};

constexpr const char* kSetUp =
    "CREATE TABLE IF NOT EXISTS source(id INTEGER PRIMARY KEY, sadb TEXT, file TEXT, service INT, UNIQUE(sadb, file));"
    "CREATE TABLE IF NOT EXISTS owned(source INT, satype INT, spi INT, dst TEXT, mark INT, added INT,"
    " PRIMARY KEY(satype, spi, dst, mark, source)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS by_source ON owned(source);"
    "CREATE TABLE IF NOT EXISTS process(sadb TEXT PRIMARY KEY, pid INT, start INT, view INT);"
    "CREATE TABLE IF NOT EXISTS boot(id TEXT PRIMARY KEY)";

}  // namespace

OwnerRows::OwnerRows(std::string path)
    : store_({std::move(path), "the record of which file owns which SAs", kSetUp, kSql}) {}

Result<void> OwnerRows::run(std::size_t query, std::initializer_list<std::string> parameters) {
  backend::Store::Statement statement = store_.statement(query);
  for (const std::string& p : parameters) statement.bind(p);
  return store_.run(statement);
}

Result<void> OwnerRows::forget(const std::string& sadb) {
  for (const Sql query : {kClear, kNoSource, kNoProcess})
    if (auto done = run(query, {sadb}); !done) return done;
  return {};
}

// Rows that an earlier release wrote have no boot. They count as rows of this boot.
Result<void> OwnerRows::forget_other_boots(const std::string& boot) {
  if (boot.empty()) return {};
  const auto another = [&] {
    backend::Store::Statement other = store_.statement(kOtherBoot);
    other.bind(boot);
    return other.step();
  }();
  if (another == backend::Store::Step::failed) return store_.trouble("cannot be read");
  if (another == backend::Store::Step::row) {
    std::vector<std::string> all;
    {
      backend::Store::Statement sadbs = store_.statement(kSadbs);
      auto step = sadbs.step();
      for (; step == backend::Store::Step::row; step = sadbs.step()) all.push_back(sadbs.text(0));
      if (step == backend::Store::Step::failed) return store_.trouble("cannot be read");
    }
    for (const std::string& sadb : all)
      if (auto done = forget(sadb); !done) return done;
    if (auto done = run(kNoOtherBoot, {boot}); !done) return done;
  }
  return run(kBoot, {boot});
}

Result<void> OwnerRows::prune(const backend::SadbPlace& here, bool (*ended)(const backend::SadbProcess&)) {
  if (auto begun = store_.begin(); !begun) return begun;
  if (auto done = forget_other_boots(here.boot); !done) return done;
  std::vector<std::string> gone;
  backend::SadbProcess now = here.process;
  {
    backend::Store::Statement sadbs = store_.statement(kSadbs);
    auto step = sadbs.step();
    for (; step == backend::Store::Step::row; step = sadbs.step()) {
      const backend::SadbProcess was{sadbs.number(1), sadbs.number(2), sadbs.number(3)};
      const bool other = was.pid != 0 && was != here.process;
      if (backend::replaced_by(sadbs.text(0), here) || (other && ended(was))) {
        gone.push_back(sadbs.text(0));
      } else if (sadbs.text(0) == here.name && (other || was == kSeveral)) {
        now = kSeveral;
      }
    }
    if (step == backend::Store::Step::failed) return store_.trouble("cannot be read");
  }
  for (const std::string& sadb : gone)
    if (auto done = forget(sadb); !done) return done;
  if (!here.older.empty())
    if (auto done = run(kRename, {here.older, here.name}); !done) return done;
  {
    backend::Store::Statement process = store_.statement(kProcess);
    process.bind(here.name);
    for (const std::uint64_t v : {now.pid, now.start, now.view}) process.bind(v);
    if (auto done = store_.run(process); !done) return done;
  }
  return store_.commit();
}

Result<OwnerRows::Holdings> OwnerRows::read(const Owner& owner) {
  Holdings found;
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return found;
  backend::Store::Statement rows = store_.statement(kAll);
  rows.bind(owner.sadb);
  auto step = rows.step();
  for (; step == backend::Store::Step::row; step = rows.step()) {
    const bool mine = rows.text(0) == owner.file || (owner.service && rows.number(1) != 0);
    (mine ? found.mine : found.others)[name_at(rows, 2)] = rows.number(6);
  }
  if (step == backend::Store::Step::failed) return store_.trouble("cannot be read");
  return found;
}

Result<void> OwnerRows::erase_rows(const Owner& owner, const backend::SaName& name) {
  backend::Store::Statement erase = store_.statement(kErase);
  erase.bind(owner.sadb);
  erase.bind(owner.file);
  erase.bind(owner.service ? 1u : 0u);
  bind(erase, name);
  return store_.run(erase);
}

Result<void> OwnerRows::put(const Owner& owner, const Additions& sas) {
  if (sas.empty()) return {};
  if (auto begun = store_.begin(); !begun) return begun;
  for (const Sql query : {kSource, kService}) {
    if (query == kService && !owner.service) continue;
    backend::Store::Statement source = store_.statement(query);
    source.bind(owner.sadb);
    source.bind(owner.file);
    if (auto done = store_.run(source); !done) return done;
  }
  for (const auto& [name, added] : sas) {
    if (auto done = erase_rows(owner, name); !done) return done;
    backend::Store::Statement put = store_.statement(kPut);
    put.bind(owner.sadb);
    put.bind(owner.file);
    bind(put, name);
    put.bind(added);
    if (auto done = store_.run(put); !done) return done;
  }
  return store_.commit();
}

Result<void> OwnerRows::erase(const Owner& owner, std::span<const backend::SaName> sas) {
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there || sas.empty()) return {};
  if (auto begun = store_.begin(); !begun) return begun;
  for (const backend::SaName& name : sas)
    if (auto done = erase_rows(owner, name); !done) return done;
  return store_.commit();
}

Result<void> OwnerRows::clear(const std::string& sadb) {
  const auto there = store_.open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  backend::Store::Statement clear = store_.statement(kClear);
  clear.bind(sadb);
  return store_.run(clear);
}

std::string owner_rows_path(bool root, const std::string& unit, const std::string& user) {
  if (!unit.empty()) return fmt::format("{}/owned.db", unit);
  return fmt::format("{}/ipseckey/owned.db", root || user.empty() ? "/run" : user);
}

}  // namespace ipseckey::apply
