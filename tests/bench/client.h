// A client of gloveboxd that keeps its channel, as an orchestrator does. Thread-safe.
#ifndef GLOVEBOX_TESTS_BENCH_CLIENT_H_
#define GLOVEBOX_TESTS_BENCH_CLIENT_H_

#include <grpcpp/channel.h>

#include <cstdint>
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
};

struct StreamResult {
  uint64_t bytes = 0;
  double seconds = 0;
};

class Client {
 public:
  // UNAVAILABLE when nothing serves there within `timeout_ms`.
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

 private:
  explicit Client(const std::shared_ptr<grpc::Channel>& channel);

  std::unique_ptr<v1::SandboxService::Stub> sandboxes_;
  std::unique_ptr<v1::ExecService::Stub> execs_;
  std::unique_ptr<v1::SnapshotService::Stub> snapshots_;
};

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_CLIENT_H_
