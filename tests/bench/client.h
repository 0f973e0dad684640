// A client of gloveboxd that keeps its channel, as an orchestrator does. Thread-safe.
#ifndef GLOVEBOX_TESTS_BENCH_CLIENT_H_
#define GLOVEBOX_TESTS_BENCH_CLIENT_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"
#include "glovebox/v1/snapshot.grpc.pb.h"
#include "tests/bench/samples.h"

namespace glovebox::bench {

struct CreateOptions {
  std::string image;
  std::string repository = {};  // path on the host; "": none
  std::string commit = {};      // full object name
  uint64_t pids_max = 0;        // 0: the daemon's default
  uint64_t memory_bytes = 0;    // the same
};

struct StreamResult {
  uint64_t bytes = 0;
  uint64_t gap_bytes = 0;
  double seconds = 0;
};

class Client {
 public:
  // On a connection of its own. UNAVAILABLE when nothing serves there within `timeout_ms`.
  static absl::StatusOr<Client> Connect(const std::string& socket, int timeout_ms);

  // Imports a tar file of the host as an image and gives it a name.
  absl::Status ImportImage(const std::string& name, const std::string& archive) const;

  absl::StatusOr<std::string> Create(const CreateOptions& options) const;
  absl::Status Get(const std::string& sandbox) const;

  // Answered when no process of it is left; the rest is removed behind that.
  absl::Status Delete(const std::string& sandbox) const;

  // RunExec. Metrics "first_byte" (of stdout) and "end" (the exit is known); an exit other than 0
  // is an error.
  absl::StatusOr<Measurement> Exec(const std::string& sandbox,
                                   const std::vector<std::string>& arguments) const;

  // RunExec with back-pressure; DATA_LOSS when a gap came or the total is not that of the end
  // frame.
  absl::StatusOr<StreamResult> Stream(const std::string& sandbox,
                                      const std::vector<std::string>& arguments) const;

  // RunExec to the end, whatever that is: what it wrote to stdout, at most 64 KiB.
  absl::StatusOr<std::string> Output(const std::string& sandbox,
                                     const std::vector<std::string>& arguments) const;

  // Its id. `waits`: with a stdin that Release ends.
  absl::StatusOr<std::string> Start(const std::string& sandbox,
                                    const std::vector<std::string>& arguments,
                                    bool waits = false) const;
  absl::Status Release(const std::string& sandbox, const std::string& exec) const;

  // SIGKILL to all of it.
  absl::Status KillTree(const std::string& sandbox, const std::string& exec) const;

  // Answered when it has ended.
  absl::Status Wait(const std::string& sandbox, const std::string& exec) const;

  // AttachExec. Calls `attached` once, when the first frame is there; `output` for each piece of
  // stdout, and stops (OK) when that returns false. At the end, what came and what was left out.
  absl::StatusOr<StreamResult> Attach(const std::string& sandbox, const std::string& exec,
                                      const std::function<void()>& attached,
                                      const std::function<bool(const std::string&)>& output) const;

 private:
  explicit Client(const std::shared_ptr<grpc::Channel>& channel);

  std::unique_ptr<v1::SandboxService::Stub> sandboxes_;
  std::unique_ptr<v1::ExecService::Stub> execs_;
  std::unique_ptr<v1::SnapshotService::Stub> snapshots_;
};

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_CLIENT_H_
