#include "sandbox/state_schema.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "sandbox/state_db.h"

namespace glovebox {
namespace {

constexpr int64_t kApplicationId = 0x67627864;  // "gbxd"; file(1) shows it

// kMigrations[n] brings version n to n + 1. Never changed once released; a new version is a new
// entry.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE sandboxes (
         id TEXT PRIMARY KEY,
         boot_id TEXT NOT NULL,
         created_us INTEGER NOT NULL,
         options TEXT NOT NULL,
         workdir TEXT NOT NULL,
         image_digest TEXT NOT NULL,
         snapshot_digest TEXT NOT NULL,
         host_id_first INTEGER NOT NULL,
         disk TEXT NOT NULL,
         stop_reason TEXT) STRICT, WITHOUT ROWID;
       CREATE TABLE execs (
         sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
         exec_no INTEGER NOT NULL,
         exec_id TEXT NOT NULL,
         spec BLOB NOT NULL,
         "end" BLOB,
         PRIMARY KEY (sandbox_id, exec_no)) STRICT, WITHOUT ROWID;)",
    "ALTER TABLE sandboxes ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;",
    R"(CREATE TABLE checkpoints (
         sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
         checkpoint_id TEXT NOT NULL,
         created_us INTEGER NOT NULL,
         image TEXT NOT NULL,
         PRIMARY KEY (sandbox_id, checkpoint_id)) STRICT, WITHOUT ROWID;)",
    R"(CREATE TABLE caches (
         name TEXT NOT NULL,
         scope TEXT NOT NULL,
         owner TEXT NOT NULL,
         snapshot TEXT NOT NULL,
         set_us INTEGER NOT NULL,
         PRIMARY KEY (name, scope)) STRICT, WITHOUT ROWID;)",
};

static_assert(std::size(kMigrations) == StateDb::kSchemaVersion);

absl::StatusOr<int64_t> ReadPragma(sqlite3* db, const std::string& path, const char* sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, SqliteStatement::Prepare(db, path, sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return absl::InternalError(absl::StrCat(sql, " gave nothing"));
  return statement.Number(0);
}

// Damage that SQLite would otherwise meet in the middle of a write, or never.
absl::Status QuickCheck(sqlite3* db, const std::string& path) {
  ASSIGN_OR_RETURN(SqliteStatement statement,
                   SqliteStatement::Prepare(db, path, "PRAGMA quick_check(1)"));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  const std::string found = row ? statement.Text(0) : "no answer";
  if (found == "ok") return absl::OkStatus();
  return StateDbDamaged(path, found);
}

absl::Status Migrate(sqlite3* db, const std::string& path, int version) {
  ASSIGN_OR_RETURN(const int64_t found, ReadPragma(db, path, "PRAGMA user_version"));
  if (found > version) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat(path, " was written by a newer gloveboxd (schema ", found,
                                      "; this one knows up to ", version, ")"),
                         {"STATE_DB_NEWER",
                          {{"path", path},
                           {"remedy",
                            "start the newer gloveboxd again, or end its sandboxes with "
                            "--end-sandboxes of that version first"}}});
  }
  for (int64_t from = found; from < version; ++from) {
    const std::string sql =
        absl::StrCat("BEGIN IMMEDIATE;", kMigrations[from], "PRAGMA user_version=", from + 1,
                     ";PRAGMA application_id=", kApplicationId, ";COMMIT;");
    absl::Status migrated = ExecuteSql(db, path, sql.c_str());
    if (!migrated.ok()) {
      (void)ExecuteSql(db, path, "ROLLBACK");  // SQLite may have done so already
      return migrated;
    }
  }
  return absl::OkStatus();
}

// Another program's SQLite file would pass every check but this one.
absl::Status CheckOwner(sqlite3* db, const std::string& path) {
  ASSIGN_OR_RETURN(const int64_t tables,
                   ReadPragma(db, path, "SELECT count(*) FROM sqlite_schema"));
  ASSIGN_OR_RETURN(const int64_t owner, ReadPragma(db, path, "PRAGMA application_id"));
  if (tables > 0 && owner == kApplicationId) return absl::OkStatus();
  return StateDbDamaged(path, "it is a database of another program");
}

absl::StatusOr<SqliteHandle> OpenFile(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | flags, nullptr);
  SqliteHandle db(raw);
  if (opened != SQLITE_OK) return SqliteError(raw, path, "open");
  (void)sqlite3_extended_result_codes(raw, 1);  // fails only for a null handle
  RETURN_IF_ERROR(ExecuteSql(raw, path,
                             "PRAGMA locking_mode=EXCLUSIVE;PRAGMA journal_mode=WAL;"
                             "PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;"
                             "PRAGMA journal_size_limit=4194304;PRAGMA trusted_schema=OFF"));
  return db;
}

// Made beside its place and renamed when it is whole: a file of that name that is empty or without
// tables was damaged, not begun.
absl::Status MakeFile(const std::string& path, int version) {
  const std::string fresh = absl::StrCat(path, ".new");
  for (const char* suffix : {"", "-wal", "-journal"}) {
    (void)::unlink(absl::StrCat(fresh, suffix).c_str());  // of an attempt that was cut short
  }
  {
    ASSIGN_OR_RETURN(const SqliteHandle db, OpenFile(fresh, SQLITE_OPEN_CREATE));
    RETURN_IF_ERROR(Migrate(db.get(), fresh, version));
    // Closing alone would do this too, but could not say that it failed.
    RETURN_IF_ERROR(ExecuteSql(db.get(), fresh, "PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  if (::rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rename to ", path));
}

}  // namespace

absl::StatusOr<SqliteHandle> OpenStateFile(const std::string& path, int version) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return ErrnoError(errno, absl::StrCat("lstat ", path));
    RETURN_IF_ERROR(MakeFile(path, version));
  } else if (status.st_size == 0) {  // which SQLite would take for a new database
    return StateDbDamaged(path, "it is empty");
  }
  ASSIGN_OR_RETURN(SqliteHandle db, OpenFile(path, 0));
  RETURN_IF_ERROR(CheckOwner(db.get(), path));
  RETURN_IF_ERROR(QuickCheck(db.get(), path));
  RETURN_IF_ERROR(Migrate(db.get(), path, version));
  return db;
}

}  // namespace glovebox
