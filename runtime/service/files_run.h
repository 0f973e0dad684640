// One run of the program for files in a sandbox (files/protocol.h), by a thread that waits for it.
#ifndef GLOVEBOX_SERVICE_FILES_RUN_H_
#define GLOVEBOX_SERVICE_FILES_RUN_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "exec/exec.h"
#include "files/protocol.h"
#include "sandbox/sandbox.h"

namespace glovebox {

// Not thread-safe. However it ends, nothing of the run is left in the sandbox: what it had begun
// and not answered is undone.
class FilesRun {
 public:
  // `cancelled`: whether nobody waits any more; asked now and then, on the thread of the caller.
  using Cancelled = std::function<bool()>;

  // `path`: of the file or directory that the operation is about.
  static absl::StatusOr<std::unique_ptr<FilesRun>> Start(std::shared_ptr<Sandbox> sandbox,
                                                         const char* operation,
                                                         const std::string& path,
                                                         Cancelled cancelled);
  ~FilesRun();
  FilesRun(const FilesRun&) = delete;
  FilesRun& operator=(const FilesRun&) = delete;

  // Waits until the program has taken it. An error of the program's own comes from Receive: here
  // that it takes nothing more is fine.
  absl::Status Send(FilesFrameKind kind, absl::string_view body);

  // The next kContent, or kDone, behind which everything of the run is cleaned up; the program's
  // own error. ABORTED, FILES_INTERRUPTED: it ended without an answer, or with nonsense, and
  // nothing of it is left; FILES_NOT_UNDONE: something is, and could not be undone.
  // FAILED_PRECONDITION, SANDBOX_STOPPED. CANCELLED.
  absl::StatusOr<FilesFrame> Receive();

  // Start, Send of one request, and the body of kDone.
  static absl::StatusOr<std::string> Ask(std::shared_ptr<Sandbox> sandbox, const char* operation,
                                         const std::string& path, absl::string_view request,
                                         Cancelled cancelled);

 private:
  FilesRun(std::shared_ptr<Sandbox> sandbox, std::shared_ptr<Exec> exec, std::string token,
           std::string path, const char* operation, Cancelled cancelled);

  absl::StatusOr<FilesFrame> NextFrame();
  // False: no frame of the exec follows.
  absl::StatusOr<bool> ReadOutput();
  absl::Status Wait();
  void AwaitEnd();
  // Sees to the run's end, once. `answered`: it is given time for it. What did not come to an end
  // by itself is cleaned up by another run.
  // kUndoRest: the run said that there is something to undo.
  enum class After { kFinish, kUndo, kUndoRest };
  absl::Status Settle(bool answered, After after);
  absl::Status CleanUp(After after);
  absl::Status Interrupted(absl::string_view why, After after = After::kUndo);

  const std::shared_ptr<Sandbox> sandbox_;
  std::unique_ptr<Sandbox::FilesChange> change_;  // of one that copies must not see half done
  const std::shared_ptr<Exec> exec_;
  const std::string token_, path_;
  const bool changes_;  // so there may be something to undo
  const Cancelled cancelled_;
  absl::Time deadline_;
  OutputReader reader_;
  FilesFrameParser frames_;
  uint64_t sent_ = 0;
  bool ended_ = false;     // the exec
  bool draining_ = false;  // what still comes is nothing
  bool settled_ = false;   // nothing is left to clean up
  // Shared with callbacks that come late.
  struct Bell {
    absl::Mutex mutex;
    bool rung ABSL_GUARDED_BY(mutex) = false;
    void Ring() ABSL_LOCKS_EXCLUDED(mutex) {
      absl::MutexLock lock(&mutex);
      rung = true;
    }
    // Until it rings, or for so long.
    void Await(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex) {
      absl::MutexLock lock(&mutex);
      mutex.AwaitWithTimeout(absl::Condition(&rung), duration);
      rung = false;
    }
  };
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FILES_RUN_H_
