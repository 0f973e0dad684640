// state.db: what a daemon must find again of its sandboxes after it died.
//
// SQLite in WAL mode with synchronous=NORMAL: a commit is in the kernel's hands when it returns, so
// the daemon's death loses nothing; a crash of the host may lose the latest commits (sandboxes do
// not survive that anyway) but never tears one. locking_mode=EXCLUSIVE: the state directory's lock
// already makes us the only user, and without it SQLite would map a shared-memory file whose pages
// a full file system could not back (SIGBUS).
//
// One thread writes. It takes everything that waits into one transaction (group commit). Calls that
// wait learn the outcome; what is written behind is kept and tried again while the file system
// gives errors, at most kBehindMax pieces, beyond which the oldest are dropped.
#ifndef GLOVEBOX_SANDBOX_STATE_DB_H_
#define GLOVEBOX_SANDBOX_STATE_DB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "sandbox/sqlite.h"
#include "sandbox/state_rows.h"

namespace glovebox {

// Thread-safe after Load. Writes of one caller take effect in their order, but for those written
// behind that failed and are tried again.
class StateDb {
 public:
  static constexpr int kSchemaVersion = 4;
  static constexpr size_t kBehindMax = 65536;

  // Called on the writer's thread when writing begins to fail, and with OK when it works again.
  using HealthCallback = std::function<void(const absl::Status&)>;

  // Makes the file when there is none; brings an older schema up to date. DATA_LOSS with reason
  // STATE_DB_DAMAGED when SQLite's quick_check finds fault (nothing is changed then);
  // FAILED_PRECONDITION with reason STATE_DB_NEWER when a newer release wrote it.
  static absl::StatusOr<std::unique_ptr<StateDb>> Open(const std::string& path,
                                                       HealthCallback on_health);
  ~StateDb();  // writes what waits, once more

  struct Contents {
    std::vector<SandboxRow> sandboxes;
    std::vector<ExecRow> execs;  // by sandbox, then number
    std::vector<CheckpointRow> checkpoints;
    std::vector<CacheRow> caches;
    std::vector<std::string> unusable;  // what could not be read, with the reason
  };
  // Before the first write. One unreadable row does not keep the others.
  absl::StatusOr<Contents> Load();

  // Return when it is committed. Errors as in sandbox/sqlite.h; nothing is written then.
  absl::Status PutSandbox(const SandboxRow& row);
  // And its execs and checkpoints; a missing one is fine.
  absl::Status EraseSandbox(const std::string& id);
  absl::Status ArchiveExec(const ExecRow& row);  // `end` is set; makes the row if need be
  // Nothing is written when its sandbox has no record (any more).
  absl::Status PutCheckpoint(const CheckpointRow& row);
  absl::Status EraseCheckpoint(const std::string& sandbox_id, const std::string& checkpoint_id);
  // In place of one of that name and scope.
  absl::Status PutCache(const CacheRow& row);
  absl::Status EraseCache(const std::string& name, const std::string& scope);
  // It runs anew, with the files on another disk.
  absl::Status NoteRestored(const std::string& id, const std::string& disk, uint32_t host_id_first,
                            const std::string& seccomp_digest);
  // In force from now on, instead of the one that it was made with.
  absl::Status NoteEgress(const std::string& id, const EgressPolicy& policy);
  absl::Status NotePaused(const std::string& id);
  absl::Status NoteResumed(const std::string& id);

  // Written behind.
  void EraseSandboxBehind(const std::string& id);
  void NoteResumedBehind(const std::string& id);
  void NoteStopped(const std::string& id, const std::string& reason);
  void PutExecBehind(const ExecRow& row);  // never takes an archived end back
  void EraseExecBehind(const std::string& sandbox_id, uint32_t exec_no);

  // Waits until everything given so far was written or has failed once.
  void Flush();

 private:
  struct Statements;
  // Runs inside a transaction.
  using Act = std::function<absl::Status(Statements&)>;
  struct Write {
    Act act;
    std::function<void(const absl::Status&)> done;  // null: written behind
  };

  StateDb(std::string path, SqliteHandle db, std::unique_ptr<Statements> statements,
          HealthCallback on_health);
  absl::Status WriteAndWait(Act act) ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteBehind(Act act) ABSL_LOCKS_EXCLUDED(mutex_);
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Writer thread.
  absl::Status Commit(const std::deque<Write>& batch);
  std::deque<Write> CommitOneByOne(std::deque<Write> batch);  // what is to be tried again
  void NoteHealth(const absl::Status& status);

  const std::string path_;
  const HealthCallback on_health_;
  const SqliteHandle db_;
  const std::unique_ptr<Statements> statements_;  // writer thread, once it runs
  absl::Status health_;                           // writer thread

  absl::Mutex mutex_;
  std::deque<Write> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t callers_ ABSL_GUARDED_BY(mutex_) = 0;  // of waiting_, those whose caller waits
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread writer_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_STATE_DB_H_
