// The frames of one exec as a sequence that survives a broken connection.
#ifndef GLOVEBOX_TOOLS_EXEC_STREAM_H_
#define GLOVEBOX_TOOLS_EXEC_STREAM_H_

#include <grpcpp/client_context.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// Next() from one thread; Cancel() from any.
class ExecStream {
 public:
  // Starts the command with the first Next(). `request` must have an exec id, so that it can be
  // sent again.
  ExecStream(Connection& connection, v1::RunExecRequest request);
  // Attaches to a command that was started before.
  ExecStream(Connection& connection, v1::AttachExecRequest request);
  ~ExecStream();
  ExecStream(const ExecStream&) = delete;
  ExecStream& operator=(const ExecStream&) = delete;

  // The next frame into `frame`: true. False after the last: behind the end frame, or, with
  // no_follow, when there is no more now. A connection that breaks is made again from the last
  // sequence seen, five times in a row without progress at most; then it is an error that says so.
  // CANCELLED after Cancel().
  absl::StatusOr<bool> Next(v1::Frame* frame);

  // Whether the daemon has confirmed that the exec exists.
  bool recorded() const { return recorded_; }

  void Cancel();

 private:
  struct Reader;

  absl::Status Open();
  absl::Status Reopen(const grpc::Status& broken);
  bool WaitBeforeRetry(int attempt);

  Connection& connection_;
  v1::RunExecRequest run_;        // with a sandbox id when the command is ours to start
  v1::AttachExecRequest attach_;  // from_sequence moves along
  bool recorded_ = false;
  bool done_ = false;
  int failures_in_a_row_ = 0;

  std::mutex mutex_;
  std::condition_variable cancelled_changed_;
  bool cancelled_ = false;          // guarded by mutex_
  std::unique_ptr<Reader> reader_;  // replaced under mutex_, so that Cancel sees a live one
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EXEC_STREAM_H_
