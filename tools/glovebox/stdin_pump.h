// Our standard input on its way to a command's.
#ifndef GLOVEBOX_TOOLS_STDIN_PUMP_H_
#define GLOVEBOX_TOOLS_STDIN_PUMP_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// Writes at offsets, so that nothing is lost or doubled: bytes are kept until the command has them,
// because a daemon that dies may have taken some that it did not pass on. Goes on for as long as
// the daemon is not to be reached. Used by one thread; Cancel() from any.
class StdinWriter {
 public:
  // `offset`: where the input goes on that others have given.
  StdinWriter(Connection& connection, std::string sandbox_id, std::string exec_id,
              uint64_t offset = 0);

  // Returns when all of `bytes` is taken. FAILED_PRECONDITION when the command reads no more:
  // nobody's fault.
  absl::Status Write(absl::string_view bytes);
  // No byte follows.
  absl::Status Close();
  // After another daemon answers: gives it what the former one took to the grave.
  absl::Status Resend();
  void Cancel() { control_.Cancel(); }

 private:
  absl::Status SendRest();
  absl::Status SendOnce();
  absl::Status GoBack(const absl::Status& refusal);

  Connection& connection_;
  const std::string sandbox_id_;
  const std::string exec_id_;
  std::string kept_;     // input from kept_from_ on, to its end so far
  uint64_t kept_from_;   // the command has what is below
  uint64_t accepted_;    // the daemon has what is below
  bool close_ = false;   // an end is to follow the last byte
  bool closed_ = false;  // the daemon has taken the end
  CallControl control_;
};

// Reads a descriptor to its end in a thread of its own and closes the command's input then.
class StdinPump {
 public:
  StdinPump(Connection& connection, const std::string& sandbox_id, const std::string& exec_id,
            int fd, uint64_t offset);
  ~StdinPump();
  StdinPump(const StdinPump&) = delete;
  StdinPump& operator=(const StdinPump&) = delete;

  // StdinWriter::Resend(), soon, in the pump's thread.
  void Resend();

 private:
  void Run();
  absl::Status PumpOnce(bool* at_end);

  StdinWriter writer_;
  const int fd_;
  UniqueFd wake_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> resend_ = false;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_STDIN_PUMP_H_
