#pragma once
/// A small SQLite file in /run, for data that must outlive a process but not a reboot. It never holds a key.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3_stmt;

namespace ipseckey::backend {

/// The file. It is opened when it is first needed, made (0600, in a folder of 0700) when there is first something to
/// keep. Each change is whole or not at all, whatever ends the process. Errors: io, denied.
class Store {
 public:
  struct Content {
    std::string path;
    std::string_view holds;                ///< For messages: "the record of ...".
    const char* set_up;                    ///< SQL that creates the tables.
    std::span<const char* const> queries;  ///< SQL of the statements.
  };
  explicit Store(Content content);
  Store(Store&&) noexcept;
  ~Store();

  enum class Step : std::uint8_t { row, done, failed };

  /// A query in use; its parameters are bound in their order.
  class Statement {
   public:
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    void bind(std::uint64_t v);
    void bind(const std::string& v);
    void bind_nulls(int count) { bound_ += count; }
    Step step();

    std::uint64_t number(int column) const;
    bool null(int column) const;
    std::string text(int column) const;

   private:
    sqlite3_stmt* statement_;
    int bound_ = 0;
  };

  /// False: there is no file, and `create` was not asked for.
  Result<bool> open(bool create);
  /// Of an open file.
  Statement statement(std::size_t query);
  /// A statement that gives no rows. If it fails, the whole change that it is part of is undone.
  Result<void> run(Statement& statement);

  /// Whether the file is there, as of the last look.
  bool there() const { return there_; }
  void look_again();

  /// Until commit() changes are one change.
  Result<void> begin();
  Result<void> commit();

  std::unexpected<Error> trouble(std::string_view what) const;
  const std::string& path() const { return content_.path; }

 private:
  struct Database;

  std::unexpected<Error> give_up();

  Content content_;
  std::unique_ptr<Database> db_;
  bool there_ = false;
  bool batch_ = false;
};

}  // namespace ipseckey::backend
