// Our standard input on its way to a command's.
#ifndef GLOVEBOX_TOOLS_STDIN_PUMP_H_
#define GLOVEBOX_TOOLS_STDIN_PUMP_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// Writes at offsets, so that nothing is lost or doubled by a retry. Used by one thread; Cancel()
// from any.
class StdinWriter {
 public:
  StdinWriter(Connection& connection, std::string sandbox_id, std::string exec_id);

  // Returns when all of `bytes` is taken. FAILED_PRECONDITION when the command reads no more:
  // nobody's fault.
  absl::Status Write(absl::string_view bytes);
  // No byte follows.
  absl::Status Close();
  void Cancel();

 private:
  absl::Status WriteOnce(absl::string_view bytes, bool eof, uint64_t* accepted);
  absl::Status WriteFrom(absl::string_view bytes, bool eof);

  Connection& connection_;
  const std::string sandbox_id_;
  const std::string exec_id_;
  uint64_t offset_ = 0;
  std::mutex mutex_;
  bool cancelled_ = false;                  // guarded by mutex_
  grpc::ClientContext* context_ = nullptr;  // guarded by mutex_
};

// Reads a descriptor to its end in a thread of its own and closes the command's input then.
class StdinPump {
 public:
  StdinPump(Connection& connection, const std::string& sandbox_id, const std::string& exec_id,
            int fd);
  ~StdinPump();
  StdinPump(const StdinPump&) = delete;
  StdinPump& operator=(const StdinPump&) = delete;

 private:
  void Run();

  StdinWriter writer_;
  const int fd_;
  UniqueFd stop_;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_STDIN_PUMP_H_
