#include "sandbox/sqlite.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {

absl::Status StateDbDamaged(const std::string& path, absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kDataLoss, absl::StrCat(path, " is damaged: ", why),
      {"STATE_DB_DAMAGED",
       {{"path", path},
        {"remedy",
         "restore it from a backup, or move it away: sandboxes that still run are then ended and "
         "removed at the next start"}}});
}

absl::Status SqliteError(sqlite3* db, const std::string& path, absl::string_view what) {
  const int code = sqlite3_errcode(db) & 0xff;
  const char* const words = sqlite3_errmsg(db);
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return StateDbDamaged(path, words);
  if (code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_CANTOPEN ||
      code == SQLITE_READONLY || code == SQLITE_NOMEM) {
    const int error = sqlite3_system_errno(db);
    return DetailedError(
        code == SQLITE_FULL ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable,
        absl::StrCat(what, " in ", path, ": ", words,
                     error == 0 ? "" : absl::StrCat(" (", std::strerror(error), ")")),
        {"STATE_NOT_WRITABLE",
         {{"path", path},
          {"remedy",
           "make room on, or repair, the file system of the state "
           "directory; the daemon goes on by itself"}}});
  }
  return DetailedError(absl::StatusCode::kInternal, absl::StrCat(what, " in ", path, ": ", words),
                       {"UNCLASSIFIED", {}});
}

absl::Status ExecuteSql(sqlite3* db, const std::string& path, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return SqliteError(db, path, sql);
}

absl::StatusOr<SqliteStatement> SqliteStatement::Prepare(sqlite3* db, const std::string& path,
                                                         const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return SqliteError(db, path, sql);
  }
  return SqliteStatement(db, path, statement);
}

void SqliteStatement::Note(int result) {
  if (bind_result_ == SQLITE_OK) bind_result_ = result;
}

SqliteStatement& SqliteStatement::Bind(int parameter, absl::string_view text) {
  Note(sqlite3_bind_text64(statement_.get(), parameter, text.data(), text.size(), SQLITE_TRANSIENT,
                           SQLITE_UTF8));
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, int64_t number) {
  Note(sqlite3_bind_int64(statement_.get(), parameter, number));
  return *this;
}

SqliteStatement& SqliteStatement::BindBlob(int parameter, absl::string_view bytes) {
  // A null pointer would be NULL, not an empty blob.
  Note(sqlite3_bind_blob64(statement_.get(), parameter, bytes.empty() ? "" : bytes.data(),
                           bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

SqliteStatement& SqliteStatement::BindNull(int parameter) {
  Note(sqlite3_bind_null(statement_.get(), parameter));
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int bound = bind_result_;
  const int result = bound == SQLITE_OK ? sqlite3_step(statement_.get()) : bound;
  if (result == SQLITE_ROW) return true;
  absl::Status status;
  if (result != SQLITE_DONE) status = SqliteError(db_, path_, sqlite3_sql(statement_.get()));
  (void)sqlite3_reset(statement_.get());  // repeats the error of the step
  bind_result_ = SQLITE_OK;
  if (!status.ok()) return status;
  return false;
}

absl::Status SqliteStatement::Run() {
  for (;;) {
    const absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

std::string SqliteStatement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr || size <= 0) return "";
  return std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

int64_t SqliteStatement::Number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

}  // namespace glovebox
