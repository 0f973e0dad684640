// Tells the daemon how far a stream of output has come for good, so that a command with
// BACK_PRESSURE loses nothing although the connection or the daemon breaks.
#ifndef GLOVEBOX_TOOLS_ACKNOWLEDGER_H_
#define GLOVEBOX_TOOLS_ACKNOWLEDGER_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// What a frame takes.
struct FrameExtent {
  uint64_t sequence = 0;  // 0: no frame, or none that is in the count
  uint64_t output_bytes = 0, error_bytes = 0;
};
FrameExtent ExtentOf(const v1::Frame& frame);

// Acknowledges in a thread of its own, begun with the first frame: soon after much was seen, a
// little later after little. Frames from one thread.
class Acknowledger {
 public:
  // Where, which and which reader are taken from `request`.
  Acknowledger(Connection& connection, v1::AcknowledgeOutputRequest request);
  ~Acknowledger();  // what was not acknowledged by then is not
  Acknowledger(const Acknowledger&) = delete;
  Acknowledger& operator=(const Acknowledger&) = delete;

  // This frame needs not be sent again.
  void Took(const FrameExtent& frame);

 private:
  void Run();

  Connection& connection_;
  v1::AcknowledgeOutputRequest request_;  // of the thread, once it runs
  CallControl control_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  uint64_t taken_ = 0;         // sequence
  uint64_t acknowledged_ = 0;  // sequence
  // What the unacknowledged takes of the command's memory for its output, about.
  uint64_t output_bytes_ = 0, error_bytes_ = 0;
  bool stop_ = false;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_ACKNOWLEDGER_H_
