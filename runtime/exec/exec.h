// One command in a sandbox, as the daemon sees it: what init reported, who reads its output, how it
// ended.
#ifndef GLOVEBOX_EXEC_EXEC_H_
#define GLOVEBOX_EXEC_EXEC_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "exec/exec_spec.h"
#include "exec/output_region.h"
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
  Exec(std::string id, uint32_t exec_no, ExecSpec spec, OutputRegion region,
       std::shared_ptr<InitClient> init);

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

  // FAILED_PRECONDITION when it has ended.
  absl::Status Signal(uint32_t signal, SignalScope scope);
  absl::Status Resize(TerminalSize size);

  // --- for the sandbox, on its event thread ---
  void OnFrame(const InitFrame& frame, std::optional<OomFacts> oom);
  // Init is gone; an exec without a result gets kSandboxGone.
  void OnSandboxGone();

 private:
  friend class OutputReader;

  void Finish(const ExecResult& result) ABSL_LOCKS_EXCLUDED(mutex_);
  void Notify() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<uint64_t> SendStdin(uint64_t offset, absl::string_view data, bool eof)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Pacing readers: the slowest one holds the gate; the last one to leave opens it for good.
  uint64_t AddPacer() ABSL_LOCKS_EXCLUDED(mutex_);
  void MovePacer(uint64_t pacer, uint64_t ring_position) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemovePacer(uint64_t pacer) ABSL_LOCKS_EXCLUDED(mutex_);
  void Resume();

  const std::string id_;
  const uint32_t exec_no_;
  const ExecSpec spec_;
  OutputRegion region_;
  const std::shared_ptr<InitClient> init_;

  mutable absl::Mutex mutex_;
  ExecSnapshot state_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_token_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::function<void()>> watches_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, uint64_t> pacers_ ABSL_GUARDED_BY(mutex_);  // ring positions
  uint64_t gate_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stdin_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t stdin_written_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stdin_eof_sent_ ABSL_GUARDED_BY(mutex_) = false;
  bool stdin_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// What a reader gets, in order; kEnd is last and comes exactly once.
struct OutputFrame {
  enum class Kind { kStarted, kData, kGap, kEnd };
  Kind kind = Kind::kData;
  OutputStream stream = OutputStream::kStdout;  // kData
  uint64_t sequence = 0;     // kData; kGap: first missing; kStarted: 0; kEnd: last + 1
  uint64_t sequence_to = 0;  // kGap: last missing
  uint64_t gap_bytes = 0;
  int64_t monotonic_ns = 0;
  std::string data;
  std::optional<ExecResult> result;  // kEnd
};

// One reader of one exec. Not thread-safe.
class OutputReader {
 public:
  // Begins at the first kept record with at least `from_sequence` (0 and 1: the beginning).
  // `paces`: with the policy kBackPressure the command waits for this reader; without it, and with
  // the policy kDropOldest, never.
  OutputReader(std::shared_ptr<Exec> exec, uint64_t from_sequence, bool paces);
  ~OutputReader();
  OutputReader(const OutputReader&) = delete;
  OutputReader& operator=(const OutputReader&) = delete;

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
  std::shared_ptr<Exec> exec_;
  OutputRegion::Cursor cursor_;
  std::optional<uint64_t> pacer_;
  uint64_t paced_to_ = 0;
  uint64_t watch_ = 0;
  bool started_sent_ = false;
  bool end_sent_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_EXEC_H_
