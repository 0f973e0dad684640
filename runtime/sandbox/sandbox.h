// One sandbox: owns everything that exists for it, and its execs.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_H_
#define GLOVEBOX_SANDBOX_SANDBOX_H_

#include <cstdint>
#include <deque>
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
#include "base/clock.h"
#include "base/work_queue.h"
#include "changes/change.h"
#include "changes/change_journal.h"
#include "exec/archive_health.h"
#include "exec/archive_limits.h"
#include "exec/exec.h"
#include "exec/exec_archiver.h"
#include "launcher/launcher.h"
#include "launcher/seccomp_compiler.h"
#include "linux/backoff_timer.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"
#include "linux/loop_device.h"
#include "sandbox/connection_log.h"
#include "sandbox/egress_gateway.h"
#include "sandbox/file_hints.h"
#include "sandbox/id_ranges.h"
#include "sandbox/sandbox_changes.h"
#include "sandbox/sandbox_sockets.h"
#include "sandbox/sandbox_spec.h"
#include "sandbox/sandbox_way_out.h"
#include "sandbox/state_db.h"
#include "snapshot/disk.h"
#include "snapshot/disk_copy.h"
#include "snapshot/layer.h"

namespace glovebox {

class SecretBook;

// What sandboxes are made with; all outlive every sandbox.
struct SandboxDeps {
  Launcher* launcher = nullptr;
  CgroupDriver* cgroups = nullptr;
  DiskFactory* disks = nullptr;
  IdRanges* ids = nullptr;
  EventLoop* events = nullptr;
  WorkQueue* cleanup = nullptr;
  WorkQueue* looks_after_ends = nullptr;  // of execs that track changes; keyed by owner
  const Clock* clock = nullptr;
  const SeccompPrograms* filters = nullptr;
  std::string run_directory;      // for the inits' sockets
  std::string output_directory;   // for the output of ended execs; "": it stays in memory
  std::string commits_directory;  // for commits of changes; "": none are made
  ArchiveLimits archive_limits;
  ArchiveHealth* archive_health = nullptr;  // may be null
  // Of a sandbox's memory limit: what the regions of its running commands may have together.
  uint32_t output_memory_percent = 50;
  std::shared_ptr<const UniqueFd> importer =
      nullptr;  // glovebox-importer, O_PATH, for worker sandboxes
  std::shared_ptr<const UniqueFd> files_program =
      nullptr;               // MakeFilesProgram; null: no calls on files
  int landlock_abi = 0;      // of the kernel; 0 where it has none and the operator allows that
  StateDb* state = nullptr;  // for the next daemon; null: nobody takes this daemon's sandboxes over
  JournalMemory* journals = nullptr;  // of what changed; null: each has its own
  JournalLimits journal_limits;
  SocketBudget* sockets = nullptr;       // of all sandboxes together; null: there is no limit
  EgressGateway* egress = nullptr;       // null: no sandbox has a way out
  SecretBook* secrets = nullptr;         // null: there are none
  PortGiver* egress_ports = nullptr;     // null: of the ports alone that a policy names
  EgressRoots egress_roots;              // what sandboxes with one are to trust; of "": nothing
  ConnectionLog* connections = nullptr;  // null: nobody asks what connections there were
};

// A directory or file of the host shown read-only, its owner as the command user (worker
// sandboxes).
struct OwnedBind {
  std::string host_path;  // for messages
  std::string target;
  std::shared_ptr<const UniqueFd> pinned = nullptr;  // what is shown; null: what the path leads to
};

// What is shown read-only at `target`.
struct CacheLayers {
  std::string target;
  std::vector<Layer> layers;  // of a snapshot, uppermost first
};

// Everything decided, nothing made yet.
struct SandboxBlueprint {
  std::string id;
  std::string owner;  // sandbox/owner.h; "": a worker's that needs no secret
  SandboxLimits limits;
  RootLayers image;
  std::vector<Layer> snapshot;  // uppermost first; none: it is of an image alone
  std::vector<CacheLayers> caches;
  std::vector<OwnedBind> owned_binds;
  bool root_inside = false;
  bool commands_as_root = false;             // only with root_inside
  const SeccompPrograms* filters = nullptr;  // of its tier; null: SandboxDeps::filters
  std::string seccomp_digest;                // for the record of a sandbox that begins anew
  std::string workdir = "/";
  bool way_out = false;  // it may reach what `egress` allows; without, that is not looked at
  EgressPolicy egress;
  // Told of every connection besides, on the gateway's thread: must neither wait nor call it.
  EgressGateway::TakeRecord on_connection = nullptr;
};

// A descriptor set for looking at a sandbox's files from outside.
struct SandboxFiles {
  UniqueFd upper;
  std::vector<UniqueFd> lowers;  // uppermost first
  std::string disk;              // names the upper: another one is of another disk
  Layers View(std::string root) const;
};

// What an earlier daemon knew of a sandbox, and what is known of the host.
struct SandboxTraces {
  SandboxRow row;
  std::vector<ExecRow> execs;
  bool same_boot = false;  // the row is of this boot of the host
  // Why nothing more than its results can be had; OK for what is to be adopted.
  absl::Status unusable;
};

// The files of a sandbox at one moment.
struct FilesCopy {
  DiskImage image;
  absl::Duration frozen;   // how long everything stood still
  uint64_t processes = 0;  // and threads, of commands, then
};

// Thread-safe.
class Sandbox : public std::enable_shared_from_this<Sandbox> {
 public:
  // Returns when init is ready for commands. On an error nothing is left.
  // `disk`: with the files of another sandbox (DiskFactory::Attach); null: a blank one.
  static absl::StatusOr<std::shared_ptr<Sandbox>> Start(const SandboxDeps& deps,
                                                        SandboxBlueprint blueprint,
                                                        std::unique_ptr<Disk> disk = nullptr);
  // Takes over a sandbox of an earlier daemon: running when its init lives and can be spoken to,
  // stopped with the reason otherwise; then its processes are gone when this returns.
  static std::shared_ptr<Sandbox> Adopt(const SandboxDeps& deps, const SandboxBlueprint& blueprint,
                                        const LoopDevices& devices, const SandboxTraces& traces);
  ~Sandbox();  // ends it, if neither End nor Leave was called

  const std::string& id() const { return blueprint_.id; }
  const SandboxLimits& limits() const { return blueprint_.limits; }
  const std::string& workdir() const { return blueprint_.workdir; }
  SandboxState state() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string stop_reason() const ABSL_LOCKS_EXCLUDED(mutex_);
  int32_t init_host_pid() const { return init_host_pid_; }
  // Fills the fields of `row` that only the sandbox knows: where it is on the host.
  void Describe(SandboxRow* row) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Starts a command. With the id of an exec that is there and the same spec: that exec (a retry is
  // safe); with another spec ALREADY_EXISTS. FAILED_PRECONDITION with reason SANDBOX_STOPPED;
  // RESOURCE_EXHAUSTED with reason EXEC_LIMIT. What goes wrong inside from here on is the
  // exec's result (kSpawnFailed).
  absl::StatusOr<std::shared_ptr<Exec>> StartExec(const std::string& exec_id, const ExecSpec& spec)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs the program for files (files/protocol.h) as the sandbox's user, in its workdir, or in "/"
  // when its path is absolute, with a pipe on stdin. Its output waits for its reader.
  // FAILED_PRECONDITION with reason SANDBOX_STOPPED, SANDBOX_PAUSED, or CAPABILITY_MISSING for a
  // sandbox whose init is of a release before it; RESOURCE_EXHAUSTED with reason EXEC_LIMIT: too
  // many run at once. Runs that undo something are not counted.
  absl::StatusOr<std::shared_ptr<Exec>> StartFilesProgram(std::vector<std::string> arguments)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // For what could not be undone now: the program is run with `arguments` as soon as that is
  // possible, at the latest after a resume. Other calls on files wait for it.
  void UndoFilesLater(std::vector<std::string> arguments) ABSL_LOCKS_EXCLUDED(mutex_);
  // A call that changes files as a whole, until it is destroyed: no copy of the files is made
  // meanwhile. DEADLINE_EXCEEDED with reason FREEZE_TIMED_OUT: copies that are made take long.
  class FilesChange {
   public:
    explicit FilesChange(std::shared_ptr<Sandbox> sandbox) : sandbox_(std::move(sandbox)) {}
    ~FilesChange() { sandbox_->EndFilesChange(); }
    FilesChange(const FilesChange&) = delete;
    FilesChange& operator=(const FilesChange&) = delete;

   private:
    const std::shared_ptr<Sandbox> sandbox_;
  };
  absl::StatusOr<std::unique_ptr<FilesChange>> BeginFilesChange() ABSL_LOCKS_EXCLUDED(mutex_);
  // As Exec::Signal; SIGKILL to the tree also reaches the kept survivors of one that has ended.
  absl::Status SignalExec(Exec& exec, uint32_t signal, SignalScope scope)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // NOT_FOUND with reason EXEC_NOT_FOUND.
  absl::StatusOr<std::shared_ptr<Exec>> FindExec(absl::string_view exec_id) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  size_t open_execs() const ABSL_LOCKS_EXCLUDED(mutex_);  // that have not ended
  std::vector<std::shared_ptr<Exec>> ListExecs() const ABSL_LOCKS_EXCLUDED(mutex_);  // by start

  // Stops every process but init where it stands, and the limits of execs with it; returns when
  // none runs and that is recorded. A paused one stays so. FAILED_PRECONDITION with reason
  // SANDBOX_STOPPED, or CAPABILITY_MISSING for a sandbox whose init is of a release before pauses;
  // DEADLINE_EXCEEDED with reason FREEZE_TIMED_OUT, and then it runs on.
  absl::Status Pause() ABSL_LOCKS_EXCLUDED(mutex_);
  // Undoes it. A running one stays so.
  absl::Status Resume() ABSL_LOCKS_EXCLUDED(mutex_);

  // A copy of its disk as it is now; everything in it stands still meanwhile (DISK_KEPT_CHANGING,
  // FREEZE_TIMED_OUT: it goes on, and there is no copy). Running or paused, else
  // FAILED_PRECONDITION; with reason SANDBOX_PAUSED when a patch is half applied there. Several at
  // a time stand still one after the other. ABORTED when it was given up; the end of the sandbox
  // gives it up, too.
  absl::StatusOr<FilesCopy> CopyFiles(const GivenUp& given_up = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What another sandbox of the same kind is made from; the id is to be changed.
  const SandboxBlueprint& blueprint() const { return blueprint_; }

  // Ends every process and begins anew with the files on `disk`: an object of the same id, ids and
  // execs, which have ended. This one is to be forgotten then. On an error it is stopped for that
  // reason, with the files that its record names, and this may be tried again. Copies and pauses
  // that are under way come first. Of a stopped sandbox, too. `blueprint`: as it was made with.
  absl::StatusOr<std::shared_ptr<Sandbox>> BeginAnew(SandboxBlueprint blueprint,
                                                     std::unique_ptr<Disk> disk)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Copies that are under way are given up; none is begun any more.
  void GiveUpCopies() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<SandboxUsage> Usage() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<SandboxFiles> OpenFiles() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What is known of earlier states of its files. Errors as OpenFiles.
  absl::StatusOr<std::shared_ptr<SandboxChanges>> Changes() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells when it begins to work and when OpenFiles gives something else than before.
  FileHints& file_hints() { return file_hints_; }

  // A place among those who use sockets of this sandbox. FAILED_PRECONDITION with reason
  // SANDBOX_STOPPED or SANDBOX_PAUSED; else as SandboxSockets::Enter.
  absl::StatusOr<std::unique_ptr<SandboxSockets::Place>> EnterSockets(
      const SandboxSockets::Ended& ended) ABSL_LOCKS_EXCLUDED(mutex_);

  // What its connections are judged by from its return on, and how many were cut.
  // FAILED_PRECONDITION with reason EGRESS_NOT_SET_UP, SANDBOX_STOPPED; else errors of
  // SandboxWayOut::Replace.
  absl::StatusOr<uint32_t> ReplaceEgress(const EgressPolicy& policy) ABSL_LOCKS_EXCLUDED(mutex_);
  // Why an adopted one has less of a way out than its policy says, or "".
  const std::string& egress_problem() const { return egress_problem_; }

  // Ids of the execs whose cgroups are there, by the id that the kernel gives a cgroup: of those
  // that run, and of those that left something behind. Empty when it cannot be told.
  std::map<uint64_t, std::string> ExecsByCgroup() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Kills every process and waits for their end; execs that run get kSandboxGone. Cgroups, disk and
  // ids are given back on the clean-up queue. Idempotent.
  // kWait: on this thread, and everything is gone when it returns.
  enum class CleanUp { kQueue, kWait };
  absl::Status End(CleanUp clean_up) ABSL_LOCKS_EXCLUDED(mutex_);
  // For a daemon that stops: lets go of everything and leaves it as it is, for the next daemon.
  // Calls fail from now on with UNAVAILABLE, reason SHUTTING_DOWN; followers of output get that.
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);
  // End, and then the disk is the caller's; all else is given back before it returns.
  absl::StatusOr<std::unique_ptr<Disk>> EndAndTakeDisk() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Resources;  // ids, cgroup, disk, layers
  struct Estate;     // what of it passes on when it begins anew

  Sandbox(const SandboxDeps& deps, SandboxBlueprint blueprint, std::unique_ptr<Resources> resources,
          LaunchedInit launched);
  absl::Status AdoptExecs(HeldExecs&& held, const std::vector<ExecRow>& rows)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void RestoreExecs(const std::vector<ExecRow>& rows) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveIdleLeaves() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WatchInit();
  // Of a new one, once init is watched.
  absl::Status OpenWayOut() ABSL_LOCKS_EXCLUDED(mutex_);
  void OpenWayOutAgain() ABSL_LOCKS_EXCLUDED(mutex_);
  EgressGateway::TakeRecord RecordTaker();
  // With the variables of opened TLS before its own, when there is some.
  ExecSpec WithRoots(const ExecSpec& spec) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeConnection(const EgressRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<Exec> OnlyCommand() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // To the gateway: before one begins, and when all is known of what one that has ended had begun.
  void TellCommands() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Exec> CommandOf(const EgressRecord& record) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FindCgroupsOfExecs() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status StopToBeginAnew() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LetGoOfEstate(Estate* estate) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteNotRestored(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeBack(Estate&& estate, std::unique_ptr<Disk> disk, const absl::Status& why)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<Sandbox>> Succeed(SandboxBlueprint blueprint,
                                                   std::unique_ptr<Disk>* disk,
                                                   Estate* estate) const;
  void Retire() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status BeginPause() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status AwaitInitPaused() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of an adopted one: as the record says, whatever an earlier daemon had begun.
  absl::Status RestorePause(bool paused) ABSL_LOCKS_EXCLUDED(mutex_);
  // The disk stays until LetGoOfDisk.
  absl::StatusOr<const Disk*> HoldDisk(std::shared_ptr<SandboxCgroup>* cgroup)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void LetGoOfDisk() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndCopies() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsEnding() const ABSL_LOCKS_EXCLUDED(mutex_);
  // To stop or to go on: one at a time. DEADLINE_EXCEEDED with reason FREEZE_TIMED_OUT.
  absl::Status TakeTurn(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveTurn() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckAlive() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnSocketReadable();
  // At most `count` frames. DATA_LOSS: init broke the protocol; UNAVAILABLE: it closed.
  absl::Status ReadFrames(int count) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string DescribeInitsEnd() const ABSL_LOCKS_EXCLUDED(mutex_);
  // `why` "": what is known of it.
  void OnInitGone(absl::string_view why) ABSL_LOCKS_EXCLUDED(mutex_);
  // For execs that track changes (sandbox_tracking.cc).
  struct BeforeStart {
    ChangesStart changes;
    uint32_t next_exec_no = 0;  // when it was looked
  };
  absl::StatusOr<std::string> LookAtChanges() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<BeforeStart> LookBeforeStart(const std::string& exec_id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  ChangesStart BeginTracking(const BeforeStart& before) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteBesideTracked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasSurvivors() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  struct TrackedEnd {
    std::shared_ptr<Exec> exec;
    InitFrame frame;  // without descriptors
  };
  void LookAfterEndsLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the queue for it: one look for all ends that wait now.
  void LookAfterEnds() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetRange(Exec& exec, const std::string& cursor) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether somebody else tells the end, after a look.
  bool EndTracked(const std::shared_ptr<Exec>& exec, const InitFrame& end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void TellEnd(const std::shared_ptr<Exec>& exec, const InitFrame& end) ABSL_LOCKS_EXCLUDED(mutex_);
  // DATA_LOSS: there was no such exec.
  absl::Status OnExecFrame(const InitFrame& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether init was still watched.
  bool StopWatching() ABSL_LOCKS_EXCLUDED(mutex_);
  struct EndedExec {
    std::shared_ptr<Exec> exec;
    bool held = false;          // by init, until it is acknowledged
    bool leaf_removed = false;  // its cgroup
  };
  void RecordEndLater(EndedExec ended);
  // On the clean-up queue: all that are due.
  void RecordEnds() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of one: its output and its end, then init may forget it.
  absl::Status RecordEnd(const EndedExec& ended, ExecArchiver* archiver)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RecordResult(const Exec& exec) const;
  void RecordAgainLater() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<Exec>> Launch(const std::string& exec_id, const ExecSpec& spec,
                                               const BeforeStart& before)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitFilesCapability() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t CommandsOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // without the daemon's own
  void EndFilesChange() ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing is half changed from here on, until LetFilesChange.
  absl::Status HoldFilesChanges() ABSL_LOCKS_EXCLUDED(mutex_);
  void LetFilesChange() ABSL_LOCKS_EXCLUDED(mutex_);
  void LaunchFilesUndosLater();
  // What is due, if it can be run now. Blocks: on the clean-up queue.
  void LaunchFilesUndos() ABSL_LOCKS_EXCLUDED(mutex_);
  void UndoFilesAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // after a while
  // What an earlier daemon's programs for files had begun is undone: nobody waits for them.
  void EndAdoptedFilesPrograms() ABSL_LOCKS_EXCLUDED(mutex_);
  void SettleFilesProgram(const Exec& exec) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckOutputMemory(const ExecSpec& spec) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<UniqueFd> MakeLog(const ExecSpec& spec, uint32_t number) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldExecs() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::unique_ptr<Resources> KillAndDetach() ABSL_LOCKS_EXCLUDED(mutex_);
  static void Release(std::unique_ptr<Resources> resources);

  const SandboxDeps deps_;
  const SandboxBlueprint blueprint_;
  const int32_t init_host_pid_;
  const UniqueFd pidfd_;
  const std::shared_ptr<InitClient> init_;
  const std::shared_ptr<SandboxSockets> sockets_;
  FileHints file_hints_;
  std::string egress_problem_;  // before others have it

  mutable absl::Mutex mutex_;
  SandboxState state_ ABSL_GUARDED_BY(mutex_) = SandboxState::kRunning;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
  int copies_ ABSL_GUARDED_BY(mutex_) = 0;            // being made: the disk must stay
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;       // no copy is begun or finished any more
  bool changing_ ABSL_GUARDED_BY(mutex_) = false;     // somebody has the turn
  bool pausing_ ABSL_GUARDED_BY(mutex_) = false;      // no exec may be started
  bool init_paused_ ABSL_GUARDED_BY(mutex_) = false;  // init has said so
  std::string breach_ ABSL_GUARDED_BY(mutex_);        // how init broke the protocol
  std::string stop_reason_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Resources> resources_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_exec_no_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, std::shared_ptr<Exec>, std::less<>> execs_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, std::shared_ptr<Exec>> by_number_ ABSL_GUARDED_BY(mutex_);  // without an end
  // Programs for files that an earlier daemon had started, and those that undo them: how often that
  // was tried. Calls on files wait for them.
  std::map<uint32_t, int> unsettled_files_ ABSL_GUARDED_BY(mutex_);
  int files_changes_ ABSL_GUARDED_BY(mutex_) = 0;  // under way
  int files_holds_ ABSL_GUARDED_BY(mutex_) = 0;    // copies for which none is begun
  // Runs of the program that could not be started yet: no more than there are calls on files.
  struct FilesUndo {
    std::vector<std::string> arguments;
    int tries = 0;
  };
  std::deque<FilesUndo> undos_due_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<BackoffTimer> undo_again_ ABSL_GUARDED_BY(mutex_);  // once one was refused
  // That have ended, which is told after a look at the files.
  std::map<uint32_t, std::shared_ptr<Exec>> looked_after_ ABSL_GUARDED_BY(mutex_);
  std::vector<TrackedEnd> awaiting_look_ ABSL_GUARDED_BY(mutex_);  // those of them without one yet
  bool looks_after_ends_ ABSL_GUARDED_BY(mutex_) = false;          // one is queued or being made
  bool had_survivors_ ABSL_GUARDED_BY(mutex_) = false;             // of an exec that was forgotten
  size_t unacknowledged_ ABSL_GUARDED_BY(mutex_) = 0;  // ended, and init still holds them
  // Ended, and not recorded yet, or neither output nor end could be stored so far: init still holds
  // them. Tried again with the next end, and from time to time.
  std::deque<EndedExec> unrecorded_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<BackoffTimer> record_again_ ABSL_GUARDED_BY(mutex_);  // once something failed
  uint64_t socket_watch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t pidfd_watch_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_H_
