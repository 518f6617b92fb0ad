#include "backend/companion.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace backend {
namespace {

constexpr std::uint32_t kDirections = pfkey::kFlagInbound | pfkey::kFlagOutbound;
constexpr int kBusyMilliseconds = 5000;

// In the order of Companion::Sql.
constexpr std::array kSql = {
    "SELECT * FROM sa WHERE satype=? AND spi=? AND dst=? AND mark=?",
    "INSERT OR REPLACE INTO sa VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "DELETE FROM sa WHERE satype=? AND spi=? AND dst=? AND mark=?",
    "SELECT * FROM sa",
    "DELETE FROM sa WHERE satype=?1 OR ?1=0",
};

// In the order in which the rows are read and bound. The file lies in memory (/run): what a power failure would do to
// it is no matter, but a process may end at any time, so changes go through a journal.
constexpr const char* kSetUp =
    "PRAGMA synchronous=OFF; PRAGMA journal_mode=TRUNCATE;"
    "CREATE TABLE IF NOT EXISTS sa(satype INT, spi INT, dst TEXT, mark INT, added INT, direction INT, pair INT,"
    " sid_type INT, sid_id INT, sid BLOB, did_type INT, did_id INT, did BLOB, idle_add INT, idle_use INT, nat TEXT,"
    " PRIMARY KEY(satype, spi, dst, mark)) WITHOUT ROWID";

// 64 bits as SQLite has them: signed.
sqlite3_int64 signed_of(std::uint64_t v) { return static_cast<sqlite3_int64>(v); }

}  // namespace

SaName name_of(const pfkey::Message& m) { return {m.satype, m.sa->spi, m.dst->address, m.mark ? m.mark->value : 0}; }

Beside beside_of(const pfkey::Message& m) {
  Beside b;
  b.direction = m.sa->flags & kDirections;
  b.pair = m.pair ? m.pair->spi : 0;
  b.src_identity = m.src_identity, b.dst_identity = m.dst_identity;
  b.idle = m.idle;
  if (m.natt_local && !is_unspecified(m.natt_local->address)) b.nat_local = m.natt_local->address;
  return b;
}

void add_beside(pfkey::Message& m, const Beside& b) {
  const bool known = (m.sa->flags & kDirections) != 0;
  if (!known) m.sa->flags |= b.direction;
  // The kernel's two ports are those of the packets' source and destination: which is ours is a matter of direction.
  if (!known && b.direction == pfkey::kFlagInbound && m.natt_local && m.natt_remote)
    std::swap(m.natt_local->port, m.natt_remote->port);
  if (b.pair != 0) m.pair = pfkey::Pair{b.pair}, m.sa->flags |= pfkey::kFlagPaired;
  m.src_identity = b.src_identity, m.dst_identity = b.dst_identity;
  m.idle = b.idle;
  if (b.nat_local && m.natt_local) m.natt_local->address = *b.nat_local;
}

// ---- SQLite

// The open file, and what was prepared for it.
struct Companion::Database {
  sqlite3* handle = nullptr;
  std::array<sqlite3_stmt*, kSqlCount> prepared{};

  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    for (sqlite3_stmt* statement : prepared) sqlite3_finalize(statement);
    sqlite3_close(handle);
  }
};

class Companion::Statement {
 public:
  Statement(Database& db, Sql which) : statement_(db.prepared[which]) {
    if (!statement_) sqlite3_prepare_v3(db.handle, kSql[which], -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
    db.prepared[which] = statement_;
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  void bind(std::uint64_t v) { sqlite3_bind_int64(statement_, ++bound_, signed_of(v)); }
  void bind(const std::string& v) {
    sqlite3_bind_text(statement_, ++bound_, v.data(), static_cast<int>(v.size()), SQLITE_TRANSIENT);
  }
  void bind_null() { ++bound_; }
  void bind(const SaName& name) {
    bind(static_cast<std::uint64_t>(name.satype));
    bind(name.spi);
    bind(to_string(name.dst));
    bind(name.mark);
  }
  int step() { return statement_ ? sqlite3_step(statement_) : SQLITE_ERROR; }

  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }
  bool null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string text(int column) const {
    const void* const blob = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return blob ? std::string(static_cast<const char*>(blob), size) : std::string();
  }

  std::pair<SaName, Beside> row() const {
    SaName name{static_cast<pfkey::SaType>(number(0)), static_cast<std::uint32_t>(number(1)),
                parse_address(text(2)).value_or(Address{}), static_cast<std::uint32_t>(number(3))};
    Beside b;
    b.added = number(4);
    b.direction = static_cast<std::uint32_t>(number(5)) & kDirections;
    b.pair = static_cast<std::uint32_t>(number(6));
    b.src_identity = identity(7), b.dst_identity = identity(10);
    if (!null(13)) b.idle = pfkey::Lifetime{0, 0, number(13), number(14)};
    if (!null(15)) b.nat_local = parse_address(text(15));
    return {name, std::move(b)};
  }

  void bind(const std::optional<pfkey::Identity>& identity) {
    if (!identity) {
      bound_ += 3;
      return;
    }
    bind(static_cast<std::uint64_t>(identity->type));
    bind(identity->id);
    bind(identity->text);
  }

 private:
  std::optional<pfkey::Identity> identity(int column) const {
    if (null(column)) return std::nullopt;
    return pfkey::Identity{static_cast<pfkey::IdentityType>(number(column)), number(column + 1), text(column + 2)};
  }

  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

static_assert(kSql.size() == 5, "one for each Companion::Sql");

Companion::Companion(std::string path) : path_(std::move(path)) {}
Companion::Companion(Companion&&) noexcept = default;
Companion::~Companion() = default;

std::unexpected<Error> Companion::trouble(std::string_view what) const {
  return fail(Errc::io, fmt::format("{}, where pairs and identities of the kernel's SAs are kept: {}: {}", path_, what,
                                    db_ ? sqlite3_errmsg(db_->handle) : strerrordesc_np(errno)));
}

Result<bool> Companion::open(bool create) {
  if (db_) return true;
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) {
    if (errno != ENOENT || !create) return errno == ENOENT ? Result<bool>(false) : trouble("cannot be looked at");
    const std::string folder = std::filesystem::path(path_).parent_path();
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return trouble("its folder cannot be made");
    if (::stat(folder.c_str(), &info) != 0 || info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)
      return fail(Errc::denied,
                  fmt::format("{} belongs to or can be written by somebody else: nothing is kept there", folder));
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) return trouble("cannot be made");
    if (fd >= 0) ::close(fd);
  } else if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return fail(Errc::denied, fmt::format("{} belongs to or can be read by somebody else: it is not used", path_));
  }
  db_ = std::make_unique<Database>();
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW;
  std::unexpected<Error> wrong = fail(Errc::io, "");
  if (sqlite3_open_v2(path_.c_str(), &db_->handle, flags, nullptr) != SQLITE_OK) {
    wrong = trouble("cannot be opened");
  } else if (sqlite3_busy_timeout(db_->handle, kBusyMilliseconds);
             sqlite3_exec(db_->handle, kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK) {
    wrong = trouble("is damaged; `rm` it, what it held is lost");
  } else {
    there_ = true;
    return true;
  }
  db_.reset();
  return wrong;
}

void Companion::look_again() {
  if (!db_) there_ = ::access(path_.c_str(), F_OK) == 0;
}

Result<std::optional<Beside>> Companion::find(const SaName& name) {
  const auto there = open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return std::optional<Beside>();
  Statement query(*db_, kFind);
  query.bind(name);
  const int step = query.step();
  if (step == SQLITE_ROW) return std::optional(query.row().second);
  if (step == SQLITE_DONE) return std::optional<Beside>();
  return trouble("cannot be read");
}

Result<std::map<SaName, Beside>> Companion::all() {
  std::map<SaName, Beside> rows;
  const auto there = open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return rows;
  Statement query(*db_, kAll);
  int step = query.step();
  for (; step == SQLITE_ROW; step = query.step()) rows.insert(query.row());
  if (step != SQLITE_DONE) return trouble("cannot be read");
  return rows;
}

Result<void> Companion::put(const SaName& name, const Beside& b) {
  if (b.empty()) return erase(name);
  if (auto opened = open(true); !opened) return std::unexpected(opened.error());
  Statement insert(*db_, kPut);
  insert.bind(name);
  insert.bind(b.added);
  insert.bind(b.direction);
  insert.bind(b.pair);
  insert.bind(b.src_identity);
  insert.bind(b.dst_identity);
  if (b.idle) {
    insert.bind(b.idle->addtime);
    insert.bind(b.idle->usetime);
  } else {
    insert.bind_null();
    insert.bind_null();
  }
  if (b.nat_local) insert.bind(to_string(*b.nat_local));
  return insert.step() == SQLITE_DONE ? Result<void>() : trouble("cannot be written");
}

Result<void> Companion::erase(const SaName& name) {
  const auto there = open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  Statement remove(*db_, kErase);
  remove.bind(name);
  return remove.step() == SQLITE_DONE ? Result<void>() : trouble("cannot be written");
}

Result<void> Companion::clear(pfkey::SaType satype) {
  const auto there = open(false);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  Statement remove(*db_, kClear);
  remove.bind(static_cast<std::uint64_t>(satype));
  return remove.step() == SQLITE_DONE ? Result<void>() : trouble("cannot be written");
}

Result<void> Companion::begin() {
  if (auto opened = open(true); !opened) return std::unexpected(opened.error());
  if (std::exchange(batch_, true)) return {};
  return sqlite3_exec(db_->handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK
             ? Result<void>()
             : trouble("cannot be written");
}

Result<void> Companion::commit() {
  if (!std::exchange(batch_, false)) return {};
  if (sqlite3_exec(db_->handle, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  auto wrong = trouble("cannot be written");
  sqlite3_exec(db_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
  return wrong;
}

std::string companion_path() {
  struct stat info{};
  ::stat("/proc/self/ns/net", &info);
  return fmt::format("/run/ipseckey/sadb-{}.db", info.st_ino);
}

}  // namespace backend
