#include "sandbox/state_db.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "sandbox/egress_json.h"
#include "sandbox/state_schema.h"

namespace glovebox {
namespace {

// How long writes that failed wait when nobody writes anything else.
constexpr absl::Duration kRetryInterval = absl::Seconds(1);
// What is written behind waits so long for company: it comes while a command is being started or
// ended, which needs the processors more.
constexpr absl::Duration kCompanyInterval = absl::Milliseconds(20);
constexpr size_t kCompanyMax = 256;

constexpr char kPutSandbox[] =
    "INSERT INTO sandboxes (id, boot_id, created_us, options, workdir, image_digest, "
    "snapshot_digest, host_id_first, disk, stop_reason) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
constexpr char kLoadSandboxes[] =
    "SELECT id, boot_id, created_us, options, workdir, image_digest, snapshot_digest, "
    "host_id_first, disk, stop_reason, paused FROM sandboxes";
constexpr char kLoadExecs[] =
    "SELECT sandbox_id, exec_no, exec_id, spec, \"end\" FROM execs ORDER BY sandbox_id, exec_no";
constexpr char kLoadCheckpoints[] =
    "SELECT sandbox_id, checkpoint_id, created_us, image FROM checkpoints "
    "ORDER BY sandbox_id, created_us, checkpoint_id";
constexpr char kPutCheckpoint[] =
    "INSERT INTO checkpoints (sandbox_id, checkpoint_id, created_us, image) "
    "SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?1)";
constexpr char kLoadCaches[] = "SELECT name, scope, owner, snapshot, set_us FROM caches";
constexpr char kPutCache[] =
    "INSERT INTO caches (name, scope, owner, snapshot, set_us) VALUES (?1, ?2, ?3, ?4, ?5) "
    "ON CONFLICT DO UPDATE SET owner = excluded.owner, snapshot = excluded.snapshot, "
    "set_us = excluded.set_us";
constexpr char kNoteRestored[] =
    "UPDATE sandboxes SET disk = ?2, host_id_first = ?3, paused = 0, stop_reason = NULL, "
    "options = json_set(options, '$.seccomp_digest', ?4) WHERE id = ?1";
constexpr char kNoteEgress[] =
    "UPDATE sandboxes SET options = json_set(options, '$.egress_now', ?2) WHERE id = ?1";
constexpr char kPutExec[] =
    "INSERT INTO execs (sandbox_id, exec_no, exec_id, spec) "
    "SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?1) "
    "ON CONFLICT DO NOTHING";
constexpr char kArchiveExec[] =
    "INSERT INTO execs (sandbox_id, exec_no, exec_id, spec, \"end\") "
    "SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM sandboxes WHERE id = ?1) "
    "ON CONFLICT DO UPDATE SET \"end\" = excluded.\"end\"";

SandboxRow ReadSandbox(const SqliteStatement& row, std::string* options) {
  SandboxRow read;
  read.id = row.Text(0);
  read.boot_id = row.Text(1);
  read.created = absl::FromUnixMicros(row.Number(2));
  *options = row.Text(3);
  read.workdir = row.Text(4);
  read.image_digest = row.Text(5);
  read.snapshot_digest = row.Text(6);
  read.host_id_first = static_cast<uint32_t>(row.Number(7));
  read.disk = row.Text(8);
  if (!row.IsNull(9)) read.stop_reason = row.Text(9);
  read.paused = row.Number(10) != 0;
  return read;
}

}  // namespace

struct StateDb::Statements {
  SqliteStatement begin, commit, rollback;
  SqliteStatement put_sandbox, erase_sandbox, note_stopped, note_paused;
  SqliteStatement put_exec, archive_exec, erase_exec;
  SqliteStatement put_checkpoint, erase_checkpoint, note_restored;
  SqliteStatement put_cache, erase_cache, note_egress;

  static absl::StatusOr<std::unique_ptr<Statements>> Prepare(sqlite3* db, const std::string& path) {
    const auto prepare = [&](const char* sql) { return SqliteStatement::Prepare(db, path, sql); };
    ASSIGN_OR_RETURN(SqliteStatement begin, prepare("BEGIN IMMEDIATE"));
    ASSIGN_OR_RETURN(SqliteStatement commit, prepare("COMMIT"));
    ASSIGN_OR_RETURN(SqliteStatement rollback, prepare("ROLLBACK"));
    ASSIGN_OR_RETURN(SqliteStatement put_sandbox, prepare(kPutSandbox));
    ASSIGN_OR_RETURN(SqliteStatement erase_sandbox, prepare("DELETE FROM sandboxes WHERE id = ?1"));
    ASSIGN_OR_RETURN(SqliteStatement note_stopped,
                     prepare("UPDATE sandboxes SET stop_reason = ?2 WHERE id = ?1"));
    ASSIGN_OR_RETURN(SqliteStatement note_paused,
                     prepare("UPDATE sandboxes SET paused = ?2 WHERE id = ?1"));
    ASSIGN_OR_RETURN(SqliteStatement put_exec, prepare(kPutExec));
    ASSIGN_OR_RETURN(SqliteStatement archive_exec, prepare(kArchiveExec));
    ASSIGN_OR_RETURN(SqliteStatement erase_exec,
                     prepare("DELETE FROM execs WHERE sandbox_id = ?1 AND exec_no = ?2"));
    ASSIGN_OR_RETURN(SqliteStatement put_checkpoint, prepare(kPutCheckpoint));
    ASSIGN_OR_RETURN(
        SqliteStatement erase_checkpoint,
        prepare("DELETE FROM checkpoints WHERE sandbox_id = ?1 AND checkpoint_id = ?2"));
    ASSIGN_OR_RETURN(SqliteStatement note_restored, prepare(kNoteRestored));
    ASSIGN_OR_RETURN(SqliteStatement put_cache, prepare(kPutCache));
    ASSIGN_OR_RETURN(SqliteStatement erase_cache,
                     prepare("DELETE FROM caches WHERE name = ?1 AND scope = ?2"));
    ASSIGN_OR_RETURN(SqliteStatement note_egress, prepare(kNoteEgress));
    return std::make_unique<Statements>(
        Statements{std::move(begin), std::move(commit), std::move(rollback), std::move(put_sandbox),
                   std::move(erase_sandbox), std::move(note_stopped), std::move(note_paused),
                   std::move(put_exec), std::move(archive_exec), std::move(erase_exec),
                   std::move(put_checkpoint), std::move(erase_checkpoint), std::move(note_restored),
                   std::move(put_cache), std::move(erase_cache), std::move(note_egress)});
  }
};

StateDb::StateDb(std::string path, SqliteHandle db, std::unique_ptr<Statements> statements,
                 HealthCallback on_health)
    : path_(std::move(path)),
      on_health_(std::move(on_health)),
      db_(std::move(db)),
      statements_(std::move(statements)),
      writer_([this] { Loop(); }) {}

absl::StatusOr<std::unique_ptr<StateDb>> StateDb::Open(const std::string& path,
                                                       HealthCallback on_health) {
  ASSIGN_OR_RETURN(SqliteHandle db, OpenStateFile(path, kSchemaVersion));
  ASSIGN_OR_RETURN(std::unique_ptr<Statements> statements, Statements::Prepare(db.get(), path));
  return std::unique_ptr<StateDb>(
      new StateDb(path, std::move(db), std::move(statements), std::move(on_health)));
}

StateDb::~StateDb() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  writer_.join();
}

absl::StatusOr<StateDb::Contents> StateDb::Load() {
  Contents contents;
  ASSIGN_OR_RETURN(SqliteStatement sandboxes,
                   SqliteStatement::Prepare(db_.get(), path_, kLoadSandboxes));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, sandboxes.Step());
    if (!more) break;
    std::string text;
    SandboxRow row = ReadSandbox(sandboxes, &text);
    absl::StatusOr<CreateOptions> options = ParseOptions(text);
    if (!options.ok()) {
      contents.unusable.push_back(absl::StrCat(row.id, ": ", options.status().message()));
      continue;
    }
    row.options = *std::move(options);
    contents.sandboxes.push_back(std::move(row));
  }
  ASSIGN_OR_RETURN(SqliteStatement execs, SqliteStatement::Prepare(db_.get(), path_, kLoadExecs));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, execs.Step());
    if (!more) break;
    ExecRow row{execs.Text(0), static_cast<uint32_t>(execs.Number(1)), execs.Text(2), execs.Text(3),
                std::nullopt};
    if (!execs.IsNull(4)) row.end = execs.Text(4);
    contents.execs.push_back(std::move(row));
  }
  ASSIGN_OR_RETURN(SqliteStatement checkpoints,
                   SqliteStatement::Prepare(db_.get(), path_, kLoadCheckpoints));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, checkpoints.Step());
    if (!more) break;
    contents.checkpoints.push_back({checkpoints.Text(0), checkpoints.Text(1),
                                    absl::FromUnixMicros(checkpoints.Number(2)),
                                    checkpoints.Text(3)});
  }
  ASSIGN_OR_RETURN(SqliteStatement caches, SqliteStatement::Prepare(db_.get(), path_, kLoadCaches));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, caches.Step());
    if (!more) return contents;
    contents.caches.push_back({caches.Text(0), caches.Text(1), caches.Text(2), caches.Text(3),
                               absl::FromUnixMicros(caches.Number(4))});
  }
}

absl::Status StateDb::PutSandbox(const SandboxRow& row) {
  return WriteAndWait([&row](Statements& statements) {
    SqliteStatement& put = statements.put_sandbox;
    put.Bind(1, row.id)
        .Bind(2, row.boot_id)
        .Bind(3, absl::ToUnixMicros(row.created))
        .Bind(4, FormatOptions(row.options))
        .Bind(5, row.workdir)
        .Bind(6, row.image_digest)
        .Bind(7, row.snapshot_digest)
        .Bind(8, int64_t{row.host_id_first})
        .Bind(9, row.disk);
    if (row.stop_reason.has_value()) {
      put.Bind(10, *row.stop_reason);
    } else {
      put.BindNull(10);
    }
    return put.Run();
  });
}

absl::Status StateDb::EraseSandbox(const std::string& id) {
  return WriteAndWait(
      [&id](Statements& statements) { return statements.erase_sandbox.Bind(1, id).Run(); });
}

absl::Status StateDb::ArchiveExec(const ExecRow& row) {
  return WriteAndWait([&row](Statements& statements) {
    return statements.archive_exec.Bind(1, row.sandbox_id)
        .Bind(2, int64_t{row.exec_no})
        .Bind(3, row.exec_id)
        .BindBlob(4, row.spec)
        .BindBlob(5, row.end.value_or(""))
        .Run();
  });
}

void StateDb::EraseSandboxBehind(const std::string& id) {
  WriteBehind([id](Statements& statements) { return statements.erase_sandbox.Bind(1, id).Run(); });
}

void StateDb::NoteStopped(const std::string& id, const std::string& reason) {
  WriteBehind([id, reason](Statements& statements) {
    return statements.note_stopped.Bind(1, id).Bind(2, reason).Run();
  });
}

absl::Status StateDb::PutCheckpoint(const CheckpointRow& row) {
  return WriteAndWait([&row](Statements& statements) {
    return statements.put_checkpoint.Bind(1, row.sandbox_id)
        .Bind(2, row.checkpoint_id)
        .Bind(3, absl::ToUnixMicros(row.created))
        .Bind(4, row.image)
        .Run();
  });
}

absl::Status StateDb::EraseCheckpoint(const std::string& sandbox_id,
                                      const std::string& checkpoint_id) {
  return WriteAndWait([&](Statements& statements) {
    return statements.erase_checkpoint.Bind(1, sandbox_id).Bind(2, checkpoint_id).Run();
  });
}

absl::Status StateDb::PutCache(const CacheRow& row) {
  return WriteAndWait([&row](Statements& statements) {
    return statements.put_cache.Bind(1, row.name)
        .Bind(2, row.scope)
        .Bind(3, row.owner)
        .Bind(4, row.snapshot)
        .Bind(5, absl::ToUnixMicros(row.set))
        .Run();
  });
}

absl::Status StateDb::EraseCache(const std::string& name, const std::string& scope) {
  return WriteAndWait([&](Statements& statements) {
    return statements.erase_cache.Bind(1, name).Bind(2, scope).Run();
  });
}

absl::Status StateDb::NoteRestored(const std::string& id, const std::string& disk,
                                   uint32_t host_id_first, const std::string& seccomp_digest) {
  return WriteAndWait([&](Statements& statements) {
    return statements.note_restored.Bind(1, id)
        .Bind(2, disk)
        .Bind(3, int64_t{host_id_first})
        .Bind(4, seccomp_digest)
        .Run();
  });
}

absl::Status StateDb::NoteEgress(const std::string& id, const EgressPolicy& policy) {
  return WriteAndWait([text = FormatEgress(policy), &id](Statements& statements) {
    return statements.note_egress.Bind(1, id).Bind(2, text).Run();
  });
}

absl::Status StateDb::NotePaused(const std::string& id) {
  return WriteAndWait([&id](Statements& statements) {
    return statements.note_paused.Bind(1, id).Bind(2, int64_t{1}).Run();
  });
}

absl::Status StateDb::NoteResumed(const std::string& id) {
  return WriteAndWait([&id](Statements& statements) {
    return statements.note_paused.Bind(1, id).Bind(2, int64_t{0}).Run();
  });
}

void StateDb::NoteResumedBehind(const std::string& id) {
  WriteBehind([id](Statements& statements) {
    return statements.note_paused.Bind(1, id).Bind(2, int64_t{0}).Run();
  });
}

void StateDb::PutExecBehind(const ExecRow& row) {
  WriteBehind([row](Statements& statements) {
    return statements.put_exec.Bind(1, row.sandbox_id)
        .Bind(2, int64_t{row.exec_no})
        .Bind(3, row.exec_id)
        .BindBlob(4, row.spec)
        .Run();
  });
}

void StateDb::EraseExecBehind(const std::string& sandbox_id, uint32_t exec_no) {
  WriteBehind([sandbox_id, exec_no](Statements& statements) {
    return statements.erase_exec.Bind(1, sandbox_id).Bind(2, int64_t{exec_no}).Run();
  });
}

absl::Status StateDb::WriteAndWait(Act act) {
  absl::Status result;
  absl::Notification done;
  {
    absl::MutexLock lock(&mutex_);
    ++callers_;
    waiting_.push_back({std::move(act), [&](const absl::Status& status) {
                          result = status;
                          done.Notify();
                        }});
  }
  done.WaitForNotification();
  return result;
}

void StateDb::WriteBehind(Act act) {
  absl::MutexLock lock(&mutex_);
  waiting_.push_back({std::move(act), nullptr});
}

void StateDb::Flush() {
  (void)WriteAndWait([](Statements&) { return absl::OkStatus(); });  // failures are retried anyway
}

void StateDb::NoteHealth(const absl::Status& status) {
  const bool changed = status.ok() != health_.ok();
  health_ = status;
  if (changed && on_health_) on_health_(status);
}

absl::Status StateDb::Commit(const std::deque<Write>& batch) {
  absl::Status status = statements_->begin.Run();
  if (!status.ok()) return status;
  for (const Write& write : batch) {
    status = write.act(*statements_);
    if (!status.ok()) break;
  }
  if (status.ok()) status = statements_->commit.Run();
  // Some errors have rolled back already, as the autocommit flag shows.
  if (!status.ok() && sqlite3_get_autocommit(db_.get()) == 0) (void)statements_->rollback.Run();
  return status;
}

std::deque<StateDb::Write> StateDb::CommitOneByOne(std::deque<Write> batch) {
  std::deque<Write> again;
  for (Write& write : batch) {
    std::deque<Write> single;
    single.push_back(std::move(write));
    const absl::Status status = Commit(single);
    NoteHealth(status);
    if (single.front().done) {
      single.front().done(status);
    } else if (!status.ok() && !absl::IsInternal(status)) {
      again.push_back(std::move(single.front()));
    }
  }
  while (again.size() > kBehindMax) again.pop_front();
  return again;
}

void StateDb::Loop() {
  std::deque<Write> again;
  for (;;) {
    std::deque<Write> batch = std::exchange(again, {});
    bool last = false;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return closing_ || !waiting_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&wanted),
                              batch.empty() ? absl::InfiniteDuration() : kRetryInterval);
      const auto urgent = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return closing_ || callers_ > 0 || waiting_.size() >= kCompanyMax;
      };
      (void)mutex_.AwaitWithTimeout(absl::Condition(&urgent), kCompanyInterval);
      std::move(waiting_.begin(), waiting_.end(), std::back_inserter(batch));
      waiting_.clear();
      callers_ = 0;
      last = closing_;
    }
    if (!batch.empty()) {
      const absl::Status committed = Commit(batch);
      if (committed.ok()) {
        NoteHealth(committed);
        for (const Write& write : batch) {
          if (write.done) write.done(absl::OkStatus());
        }
      } else {
        again = CommitOneByOne(std::move(batch));
      }
    }
    if (last) return;
  }
}

}  // namespace glovebox
