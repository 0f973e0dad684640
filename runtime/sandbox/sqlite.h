// The few things that the state database needs of SQLite, with owners and typed errors.
#ifndef GLOVEBOX_SANDBOX_SQLITE_H_
#define GLOVEBOX_SANDBOX_SQLITE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct CloseSqlite {
  void operator()(sqlite3* db) const { (void)sqlite3_close_v2(db); }  // always succeeds
};
using SqliteHandle = std::unique_ptr<sqlite3, CloseSqlite>;

// DATA_LOSS with reason STATE_DB_DAMAGED, and what to do.
absl::Status StateDbDamaged(const std::string& path, absl::string_view why);

// Of the last call on `db`. `what`: the act, for people. Codes:
//   DATA_LOSS           STATE_DB_DAMAGED: the file is not what SQLite wrote
//   RESOURCE_EXHAUSTED  STATE_NOT_WRITABLE: the file system is full
//   UNAVAILABLE         STATE_NOT_WRITABLE: it gives other errors
//   INTERNAL            UNCLASSIFIED: a mistake of ours
absl::Status SqliteError(sqlite3* db, const std::string& path, absl::string_view what);

// Statements without parameters and results.
absl::Status ExecuteSql(sqlite3* db, const std::string& path, const char* sql);

// A prepared statement. For one thread at a time; its database outlives it.
class SqliteStatement {
 public:
  static absl::StatusOr<SqliteStatement> Prepare(sqlite3* db, const std::string& path,
                                                 const char* sql);

  // Parameters are numbered from 1. A bind fails only for want of memory or a wrong number; Step
  // then says so.
  SqliteStatement& Bind(int parameter, absl::string_view text);
  SqliteStatement& Bind(int parameter, int64_t number);
  SqliteStatement& BindBlob(int parameter, absl::string_view bytes);
  SqliteStatement& BindNull(int parameter);

  // True: there is a row, whose columns are numbered from 0. False: done, and ready for the next
  // use.
  absl::StatusOr<bool> Step();
  // For statements without rows.
  absl::Status Run();

  std::string Text(int column) const;  // text and blobs
  int64_t Number(int column) const;
  bool IsNull(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { (void)sqlite3_finalize(statement); }
  };
  SqliteStatement(sqlite3* db, const std::string& path, sqlite3_stmt* statement)
      : db_(db), path_(path), statement_(statement) {}
  void Note(int result);

  sqlite3* db_;
  std::string path_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_result_ = SQLITE_OK;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SQLITE_H_
