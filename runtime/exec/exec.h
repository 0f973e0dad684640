// One command in a sandbox, as the daemon sees it: what init reported, who reads its output, how it
// ended.
//
// The order in which a sandbox calls, so that at any kill of the daemon either init or the archive
// has everything:
//
//   start   EncodeExecRecord -> OutputRegion::Create(spec, record) -> Exec -> kStart
//   frames  OnFrame, on the event thread. At kEnd clients have the end; then on the clean-up queue:
//           ExecArchiver::Save -> outcome() committed to state.db -> kAckEnd. Killed before
//           kAckEnd: init tells the end again to the next daemon, which does the same once more.
//   adopt   InitClient::Connect -> CollectHeld; per held region OutputRegion::Adopt,
//           DecodeExecRecord(region.record()), Exec::Adopt; then CollectHeld's frames through
//           OnFrame as if they came now. A region or record that is refused ends that sandbox.
//           A held exec that has an outcome in state.db already: kAckEnd only.
//   restore A row with an outcome that is not held: Exec::Restore. A row without one that is not
//           held never reached init: Exec::Restore with NeverStartedOutcome().
#ifndef GLOVEBOX_EXEC_EXEC_H_
#define GLOVEBOX_EXEC_EXEC_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "exec/exec_archive_store.h"
#include "exec/exec_record.h"
#include "exec/exec_spec.h"
#include "exec/output_log.h"
#include "exec/output_region.h"
#include "exec/shell_state.h"
#include "launcher/init_client.h"

namespace glovebox {

struct ExecSnapshot {
  enum class State { kStarting, kRunning, kEnded };
  std::string id;
  State state = State::kStarting;
  std::optional<int32_t> pid;                      // inside the sandbox
  int64_t started_ns = 0;                          // monotonic
  uint64_t last_sequence = 0;                      // latest given to output so far, as init says
  uint64_t stdin_accepted = 0, stdin_written = 0;  // input bytes taken; taken by the command
  std::optional<ExecResult> result;
};

// Thread-safe. Shared by the sandbox (which feeds it init's frames) and by every reader.
class Exec {
 public:
  Exec(std::string id, uint32_t exec_no, ExecSpec spec, std::optional<OutputRegion> region,
       std::shared_ptr<InitClient> init);

  // One that an earlier daemon started and init still holds. Its state comes by OnFrame.
  // DATA_LOSS with reason REGION_REFUSED when the region is not of the size that `record` asks for.
  static absl::StatusOr<std::shared_ptr<Exec>> Adopt(uint32_t exec_no, ExecRecord record,
                                                     OutputRegion region,
                                                     std::shared_ptr<InitClient> init);

  // One that ended, from what was recorded. `archives` may be null: its output is then a gap.
  static std::shared_ptr<Exec> Restore(uint32_t exec_no, ExecRecord record,
                                       const ExecOutcome& outcome,
                                       std::shared_ptr<ExecArchiveStore> archives);

  const std::string& id() const { return id_; }
  uint32_t number() const { return exec_no_; }
  const ExecSpec& spec() const { return spec_; }
  ExecSnapshot Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `callback` once, at the next change that a waiting reader, writer or waiter could want
  // (output after ArmWakeUp, stdin taken, start, end); at once when the exec has ended. It may run
  // before Watch returns, on any thread, and must not block. Returns a token for Unwatch.
  uint64_t Watch(std::function<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  // After it returns the callback will not begin any more (it may still be running on another
  // thread).
  void Unwatch(uint64_t token) ABSL_LOCKS_EXCLUDED(mutex_);

  // Gives `data` at `offset` of the whole input to the command. Returns how much of the input was
  // taken so far: a repeated range counts as taken, and less than offset + size means "try the rest
  // after the next Watch". OUT_OF_RANGE: a gap before `offset`. FAILED_PRECONDITION: no stdin, or
  // it is closed.
  absl::StatusOr<uint64_t> WriteStdin(uint64_t offset, absl::string_view data, bool eof)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Why nothing more will be heard of it here (OnDaemonLeaves); OK otherwise.
  absl::Status left() const ABSL_LOCKS_EXCLUDED(mutex_);

  // FAILED_PRECONDITION when it has ended.
  absl::Status Signal(uint32_t signal, SignalScope scope);
  absl::Status Resize(TerminalSize size);

  // Every record up to `sequence` has reached the readers of that name (OutputReader::Pace), for
  // good. Says nothing when there is none now. OUT_OF_RANGE: no such record was given yet.
  absl::Status Acknowledge(absl::string_view reader, uint64_t sequence) ABSL_LOCKS_EXCLUDED(mutex_);

  // Gives a command to a persistent shell, unless it is the latest one already: then only says
  // where its frames are, so that a retry is safe. FAILED_PRECONDITION: NOT_A_SHELL, EXEC_ENDED,
  // SHELL_BUSY (one command at a time). NOT_FOUND: COMMAND_PASSED, a later one came.
  // ALREADY_EXISTS: COMMAND_NUMBER_REUSED. OUT_OF_RANGE: COMMAND_IN_FUTURE.
  absl::StatusOr<ShellTicket> RunShellCommand(const ShellCommand& command)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The latest command of a persistent shell.
  ShellState Shell() const ABSL_LOCKS_EXCLUDED(mutex_);

  // For the sandbox, before there are readers: where they find what is not retained any more. Opens
  // the full log of an exec that asked for one below the root of the sandbox's disk; without it
  // (the disk is gone) such output is a gap.
  void OpenLog(int disk_fd) ABSL_LOCKS_EXCLUDED(mutex_);
  // When that disk goes. Who reads from it at the moment keeps it a little longer.
  void CloseLog() ABSL_LOCKS_EXCLUDED(mutex_);

  // --- for the sandbox, on its event thread ---
  // `limits`: the sandbox's, to explain an end with.
  void OnFrame(const InitFrame& frame, const ExecLimitValues& limits);
  // Of one that tracks changes: what was found before its start; that another command began
  // beside it; what was found after its end, before OnFrame tells that.
  void SetChangesStart(ChangesStart start) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteBeside() ABSL_LOCKS_EXCLUDED(mutex_);
  ChangesStart changes_start() const ABSL_LOCKS_EXCLUDED(mutex_);
  void SetChangesEnd(std::string cursor) ABSL_LOCKS_EXCLUDED(mutex_);
  // A connection that was refused to it, and others that are not told. Any thread; until OnFrame
  // tells its end.
  void NoteRefused(const RefusedConnection& refused, uint64_t others) ABSL_LOCKS_EXCLUDED(mutex_);

  // The id that the kernel gives its cgroup, by which it says where a socket was made. 0: not
  // known.
  void SetCgroupId(uint64_t id) { cgroup_id_.store(id); }
  uint64_t cgroup_id() const { return cgroup_id_.load(); }
  // Init is gone; an exec without a result gets kSandboxGone.
  void OnSandboxGone();
  // This daemon stops and the command runs on: whoever waits here is told `why`, after the output
  // that is there.
  void OnDaemonLeaves(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- for the sandbox, after the end, on any thread ---
  // What to record; nullopt before the end.
  std::optional<ExecOutcome> outcome() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Copies the retained output to `archives` and lets go of the region; readers go on from the
  // archive without noticing. When it fails the region is kept. FAILED_PRECONDITION before the end.
  absl::Status SaveOutput(std::shared_ptr<ExecArchiveStore> archives) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets go of a region that could not be saved, for that errno: what was not read yet becomes a
  // gap, and the result says why.
  void GiveOutputUp(int error) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class OutputReader;

  ShellState LatestCommand() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ShellTicket> FindCommand(uint64_t number, uint64_t fingerprint,
                                          const ShellState& latest) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ShellTicket> SendCommand(const ShellCommand& command, uint64_t number,
                                          uint64_t fingerprint)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(const ExecResult& result) ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeStdinAck(const StdinAckBody& ack) ABSL_LOCKS_EXCLUDED(mutex_);
  void Notify() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<uint64_t> SendStdin(uint64_t offset, absl::string_view data, bool eof)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Pacing readers: the slowest one holds the gate. `sequence`: of the last record that was
  // delivered to it. `name`: of one that acknowledges.
  uint64_t AddPacer(uint64_t sequence, absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  void MovePacer(uint64_t pacer, uint64_t sequence) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemovePacer(uint64_t pacer) ABSL_LOCKS_EXCLUDED(mutex_);
  bool MoveGate(uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Resume();

  // Where output is read from now: the region, or after SaveOutput the archive, or after both are
  // gone nothing. A reader asks again for each frame, so that memory is given back at once.
  struct Source {
    std::shared_ptr<OutputRegion> region;
    std::shared_ptr<const ExecArchive> archive;
  };
  Source OpenSource() ABSL_LOCKS_EXCLUDED(mutex_);
  // While there are readers an archive stays open, so that they can finish whatever becomes of its
  // name.
  void AddReader() ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<const OutputLog> log() const ABSL_LOCKS_EXCLUDED(mutex_);  // may be null
  void RemoveReader() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string id_;
  const uint32_t exec_no_;
  const ExecSpec spec_;
  const std::shared_ptr<InitClient> init_;  // null for a restored one

  mutable absl::Mutex mutex_;
  ExecSnapshot state_ ABSL_GUARDED_BY(mutex_);
  ChangesStart changes_start_ ABSL_GUARDED_BY(mutex_);
  std::optional<ChangeRange> changes_ ABSL_GUARDED_BY(mutex_);
  std::vector<RefusedConnection> refused_ ABSL_GUARDED_BY(mutex_);  // at most kDenialsMax
  uint64_t refused_uncounted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> cgroup_id_ = 0;
  absl::Status left_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_token_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::function<void()>> watches_ ABSL_GUARDED_BY(mutex_);
  struct Pacer {
    uint64_t sequence = 0;  // of the last record that was delivered to it
    std::string name;       // of one that acknowledges
  };
  std::map<uint64_t, Pacer> pacers_ ABSL_GUARDED_BY(mutex_);
  uint64_t gate_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stdin_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stdin_written_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stdin_eof_sent_ ABSL_GUARDED_BY(mutex_) = false;
  bool stdin_closed_ ABSL_GUARDED_BY(mutex_) = false;
  // What was sent is known to a dead daemon only, and from init's acknowledgement.
  bool stdin_unknown_ ABSL_GUARDED_BY(mutex_) = false;
  ShellTicket shell_sent_ ABSL_GUARDED_BY(mutex_);  // the latest command of this daemon
  uint64_t shell_fingerprint_ ABSL_GUARDED_BY(mutex_) = 0;
  ShellState last_shell_state_ ABSL_GUARDED_BY(mutex_);  // once the region is gone
  std::shared_ptr<OutputRegion> region_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ExecArchiveStore> archives_ ABSL_GUARDED_BY(mutex_);  // where it was saved
  std::shared_ptr<const ExecArchive> archive_ ABSL_GUARDED_BY(mutex_);  // open while it is read
  uint32_t readers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const OutputLog> log_ ABSL_GUARDED_BY(mutex_);
};

// What a reader gets, in order; kEnd is last and comes exactly once.
struct OutputFrame {
  enum class Kind { kStarted, kData, kGap, kCommandStarted, kCommandEnded, kEnd };
  Kind kind = Kind::kData;
  OutputStream stream = OutputStream::kStdout;  // kData
  uint64_t sequence = 0;     // kData; kGap: first missing; kStarted: 0; kEnd: last + 1
  uint64_t sequence_to = 0;  // kGap: last missing
  uint64_t gap_bytes = 0;
  int64_t monotonic_ns = 0;
  std::string data;
  std::optional<ExecResult> result;      // kEnd
  uint64_t command_number = 0;           // kCommandStarted
  std::optional<CommandResult> command;  // kCommandEnded
  bool last = false;                     // no frame follows for this reader
};

// One reader of one exec. Not thread-safe.
class OutputReader {
 public:
  // Whether, with the policy kBackPressure, the command waits for this reader: for what Next did
  // not return yet, or with a name for what Exec::Acknowledge was not told yet of that name.
  struct Pace {
    bool waits = false;
    std::string name;
  };
  static Pace NeverWaitedFor() { return {}; }
  static Pace WaitedFor(std::string name = "") { return {true, std::move(name)}; }

  // Begins at the first kept record with at least `from_sequence` (0 and 1: the beginning).
  OutputReader(std::shared_ptr<Exec> exec, uint64_t from_sequence, const Pace& pace);
  ~OutputReader();
  OutputReader(const OutputReader&) = delete;
  OutputReader& operator=(const OutputReader&) = delete;

  // From now on only the frames of command `number`: its start, what came until its end, its end,
  // which is the last; or the exec's end, when that comes first. `begun`: the reader stands behind
  // that start. DATA_LOSS with reason COMMAND_END_DROPPED from Next when this reader was so slow
  // that its end is not known any more.
  void FollowCommand(uint64_t number, bool begun = false) {
    command_ = number;
    command_seen_ = begun;
  }

  // The next frame; nullopt when there is none yet: Watch the exec, then ask again. DATA_LOSS: init
  // broke the region's rules.
  absl::StatusOr<std::optional<OutputFrame>> Next();

  // The next frame; or nullopt, and then `callback` is called once when it is worth asking again
  // (perhaps before this returns, on any thread; perhaps once too often). It must not block.
  absl::StatusOr<std::optional<OutputFrame>> NextOrWatch(const std::function<void()>& callback);

  // Takes back a callback that was not made yet; it may still be running when this returns.
  void CancelWatch();

  const std::shared_ptr<Exec>& exec() const { return exec_; }

 private:
  absl::StatusOr<std::optional<OutputFrame>> NextOfAll();
  absl::StatusOr<bool> IsOfCommand(OutputFrame* frame);
  OutputRecord NextRecord(std::string* data);
  OutputRecord NextKept(std::string* data);
  OutputRecord TakeLogged(const OutputPosition& from, std::string* data);
  void LocateInLog();
  std::optional<OutputFrame> LastGap(const ExecSnapshot& ended);

  std::shared_ptr<Exec> exec_;
  OutputRegion::Cursor cursor_;
  std::optional<ExecArchive::Cursor> archive_cursor_;  // once it reads from the archive
  OutputLog::Window log_window_;
  std::optional<uint64_t> pacer_;
  bool acknowledges_ = false;
  uint64_t paced_to_ = 0;
  uint64_t watch_ = 0;
  bool started_sent_ = false;
  bool region_gone_ = false;
  bool end_sent_ = false;
  std::optional<uint64_t> command_;  // FollowCommand
  bool command_seen_ = false;        // its start, or what is missing since
  std::optional<OutputFrame> owed_;  // follows a gap that hid it
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_H_
