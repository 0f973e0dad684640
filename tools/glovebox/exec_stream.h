// The frames of one exec as a sequence that survives a broken connection.
#ifndef GLOVEBOX_TOOLS_EXEC_STREAM_H_
#define GLOVEBOX_TOOLS_EXEC_STREAM_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/acknowledger.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {

// Next() from one thread; Cancel() from any.
class ExecStream {
 public:
  // Starts the command with the first Next(). `request` must have an exec id, so that it can be
  // sent again.
  ExecStream(Connection& connection, v1::RunExecRequest request, ReconnectPolicy policy = {});
  // Runs a command in a persistent shell. `request` must have a number, so that it can be sent
  // again. Its frames end with its own end, or the shell's.
  ExecStream(Connection& connection, v1::RunShellCommandRequest request,
             ReconnectPolicy policy = {});
  // Attaches to a command that was started before.
  ExecStream(Connection& connection, v1::AttachExecRequest request, ReconnectPolicy policy = {});
  ~ExecStream();
  ExecStream(const ExecStream&) = delete;
  ExecStream& operator=(const ExecStream&) = delete;

  // Called within Next() each time the daemon has shown that the exec exists: first, and after each
  // broken connection. Before the first Next().
  void OnAttached(std::function<void()> callback) { attached_ = std::move(callback); }

  // Whether the request may have been sent more than once.
  bool was_broken() const { return broken_; }

  // The next frame into `frame`, when all before it have been dealt with for good: true; it may be
  // empty. False after the last: behind the end frame, or, with no_follow, when there is no more
  // now. A connection that breaks is made again, from behind the last frame, as the policy says;
  // then it is an error that says how to go on. CANCELLED after Cancel().
  absl::StatusOr<bool> Next(v1::Frame* frame);

  void Cancel() { control_.Cancel(); }

 private:
  class Reader;
  enum class Kind { kRun, kShell, kAttach };

  // Which call comes next. A command of ours is acknowledged, so that it waits for us.
  void Open();
  bool Read(v1::Frame* frame, bool* is_frame);
  absl::Status Reopen(const absl::Status& broken);
  bool Accept(const v1::Frame& frame);
  bool GoesOnAttached(const absl::Status& refused);
  std::string Ids() const;

  Connection& connection_;
  Kind kind_;
  // All know where to go on.
  v1::RunExecRequest run_;            // kRun
  v1::RunShellCommandRequest shell_;  // kShell, and then perhaps kAttach
  v1::AttachExecRequest attach_;      // kAttach
  std::function<void()> attached_;
  bool recorded_ = false;      // the daemon has shown that the exec exists
  bool started_seen_ = false;  // the frame of that name, which comes with each attachment
  bool broken_ = false;
  bool done_ = false;
  Outage outage_;
  CallControl control_;
  std::unique_ptr<Reader> reader_;
  FrameExtent shown_;                           // the former frame
  std::unique_ptr<Acknowledger> acknowledger_;  // null: nobody waits for us
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EXEC_STREAM_H_
