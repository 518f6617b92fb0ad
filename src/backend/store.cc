#include "backend/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "pfkey/units.h"
#include "system/descriptor.h"
#include "system/errno_text.h"

namespace ipseckey::backend {
namespace {

constexpr int kBusyMilliseconds = 30'000;  // An apply in each of many namespaces writes here.

// The file lies in memory (/run): a power failure does not matter, but a process may end at any time,
// so changes go through a journal.
constexpr const char* kManner = "PRAGMA synchronous=OFF; PRAGMA journal_mode=TRUNCATE;";

// 64 bits as SQLite has them: signed.
sqlite3_int64 signed_of(std::uint64_t v) { return static_cast<sqlite3_int64>(v); }

}  // namespace

// The open file, and what was prepared for it.
struct Store::Database {
  explicit Database(std::size_t queries) : prepared(queries) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    for (sqlite3_stmt* statement : prepared) sqlite3_finalize(statement);
    sqlite3_close(handle);
  }

  sqlite3* handle = nullptr;
  std::vector<sqlite3_stmt*> prepared;
};

// There is none if the file has other tables than this program's; step() says so.
Store::Statement::~Statement() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Store::Statement::bind(std::uint64_t v) { sqlite3_bind_int64(statement_, ++bound_, signed_of(v)); }
void Store::Statement::bind(const std::string& v) {
  sqlite3_bind_text(statement_, ++bound_, v.data(), static_cast<int>(v.size()), SQLITE_TRANSIENT);
}

Store::Step Store::Statement::step() {
  const int step = statement_ ? sqlite3_step(statement_) : SQLITE_ERROR;
  return step == SQLITE_ROW ? Step::row : step == SQLITE_DONE ? Step::done : Step::failed;
}

std::uint64_t Store::Statement::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}
bool Store::Statement::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::string Store::Statement::text(int column) const {
  const void* const blob = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return blob ? std::string(static_cast<const char*>(blob), size) : std::string();
}

Store::Store(Content content) : content_(std::move(content)) {}
Store::Store(Store&&) noexcept = default;
Store::~Store() = default;

std::unexpected<Error> Store::trouble(std::string_view what) const {
  return fail(Errc::io, fmt::format("{}, {}: {}: {}", pfkey::escaped(path()), content_.holds, what,
                                    db_ ? sqlite3_errmsg(db_->handle) : errno_text(errno).c_str()));
}

Result<bool> Store::open(bool create) {
  if (db_) return true;
  struct stat info{};
  if (::stat(path().c_str(), &info) != 0) {
    if (errno != ENOENT || !create) return errno == ENOENT ? Result<bool>(false) : trouble("cannot be checked");
    const std::string folder = std::filesystem::path(path()).parent_path();
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return trouble("its folder cannot be created");
    if (::stat(folder.c_str(), &info) != 0 || info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)
      return fail(Errc::denied,
                  fmt::format("{} is owned or writable by another user: nothing is stored there", folder));
    const Descriptor made(::open(path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made && errno != EEXIST) return trouble("cannot be created");
  } else if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return fail(Errc::denied,
                fmt::format("{} is owned or readable by another user: it is not used", pfkey::escaped(path())));
  }
  db_ = std::make_unique<Database>(content_.queries.size());
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW;
  const std::string set_up = std::string(kManner) + content_.set_up;
  std::unexpected<Error> wrong = fail(Errc::io, "");
  if (sqlite3_open_v2(path().c_str(), &db_->handle, flags, nullptr) != SQLITE_OK) {
    wrong = trouble("cannot be opened");
  } else if (sqlite3_busy_timeout(db_->handle, kBusyMilliseconds);
             sqlite3_exec(db_->handle, set_up.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    wrong = trouble("is damaged; delete it with `rm`: its contents are lost");
  } else {
    there_ = true;
    return true;
  }
  db_.reset();
  return wrong;
}

Store::Statement Store::statement(std::size_t query) {
  sqlite3_stmt*& prepared = db_->prepared[query];
  if (!prepared)
    sqlite3_prepare_v3(db_->handle, content_.queries[query], -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  return Statement(prepared);
}

Result<void> Store::run(Statement& statement) { return statement.step() == Step::done ? Result<void>() : give_up(); }

// A change that cannot be made completely is rolled back.
std::unexpected<Error> Store::give_up() {
  auto wrong = trouble("cannot be written");
  if (std::exchange(batch_, false)) sqlite3_exec(db_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
  return wrong;
}

void Store::look_again() {
  if (!db_) there_ = ::access(path().c_str(), F_OK) == 0;
}

Result<void> Store::begin() {
  if (auto opened = open(true); !opened) return std::unexpected(opened.error());
  if (batch_) return {};
  batch_ = sqlite3_exec(db_->handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
  return batch_ ? Result<void>() : trouble("cannot be written");
}

Result<void> Store::commit() {
  if (!batch_) return {};
  if (sqlite3_exec(db_->handle, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) return give_up();
  batch_ = false;
  return {};
}

}  // namespace ipseckey::backend
