// The frames of one exec as a sequence that survives a broken connection.
#ifndef GLOVEBOX_TOOLS_EXEC_STREAM_H_
#define GLOVEBOX_TOOLS_EXEC_STREAM_H_

#include <functional>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {

// Next() from one thread; Cancel() from any.
class ExecStream {
 public:
  // Starts the command with the first Next(). `request` must have an exec id, so that it can be
  // sent again.
  ExecStream(Connection& connection, v1::RunExecRequest request, ReconnectPolicy policy = {});
  // Attaches to a command that was started before.
  ExecStream(Connection& connection, v1::AttachExecRequest request, ReconnectPolicy policy = {});
  ~ExecStream();
  ExecStream(const ExecStream&) = delete;
  ExecStream& operator=(const ExecStream&) = delete;

  // Called within Next() each time the daemon has shown that the exec exists: first, and after each
  // broken connection. Before the first Next().
  void OnAttached(std::function<void()> callback) { attached_ = std::move(callback); }

  // The next frame into `frame`: true; it may be empty. False after the last: behind the end frame,
  // or, with no_follow, when there is no more now. A connection that breaks is made again, from
  // behind the last frame, as the policy says; then it is an error that says how to go on.
  // CANCELLED after Cancel().
  absl::StatusOr<bool> Next(v1::Frame* frame);

  void Cancel() { control_.Cancel(); }

 private:
  class Reader;

  void Open();
  bool Read(v1::Frame* frame, bool* is_frame);
  absl::Status Reopen(const absl::Status& broken);
  bool Accept(const v1::Frame& frame);

  Connection& connection_;
  v1::RunExecRequest run_;        // of a command that is ours to start
  v1::AttachExecRequest attach_;  // of another's
  const bool runs_;
  std::function<void()> attached_;
  bool recorded_ = false;      // the daemon has shown that the exec exists
  bool started_seen_ = false;  // the frame of that name, which comes with each attachment
  bool done_ = false;
  Outage outage_;
  CallControl control_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EXEC_STREAM_H_
