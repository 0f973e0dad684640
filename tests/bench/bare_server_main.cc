// bench_bare_server SOCKET: Glovebox's messages over gRPC with nothing behind them, the floor of
// what the daemon can answer. GetSandbox echoes the id; RunExec with arguments {CHUNK_BYTES,
// TOTAL_BYTES} streams so much from memory.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"

namespace glovebox::bench {
namespace {

class Sandboxes final : public v1::SandboxService::Service {
  grpc::Status GetSandbox(grpc::ServerContext* /*context*/, const v1::GetSandboxRequest* request,
                          v1::GetSandboxResponse* response) override {
    response->mutable_sandbox()->set_id(request->sandbox_id());
    return grpc::Status::OK;
  }
};

class Execs final : public v1::ExecService::Service {
  grpc::Status RunExec(grpc::ServerContext* /*context*/, const v1::RunExecRequest* request,
                       grpc::ServerWriter<v1::RunExecResponse>* writer) override {
    uint64_t chunk = 0;
    uint64_t total = 0;
    if (request->spec().arguments_size() != 2 ||
        !absl::SimpleAtoi(request->spec().arguments(0), &chunk) ||
        !absl::SimpleAtoi(request->spec().arguments(1), &total) || chunk == 0) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "want CHUNK_BYTES TOTAL_BYTES"};
    }
    v1::RunExecResponse response;
    response.mutable_frame()->mutable_stdout()->assign(chunk, 'x');
    for (uint64_t left = total; left > 0;) {
      uint64_t size = std::min(chunk, left);
      if (size < chunk) response.mutable_frame()->mutable_stdout()->resize(size);
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
      left -= size;
    }
    v1::End* end = response.mutable_frame()->mutable_end();
    end->set_cause(v1::END_CAUSE_EXITED);
    end->set_exit_code(0);
    end->mutable_stdout_bytes()->set_total(total);
    (void)writer->Write(response);  // a client that left needs no end
    return grpc::Status::OK;
  }
};

}  // namespace
}  // namespace glovebox::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: bench_bare_server SOCKET\n");
    return 2;
  }
  glovebox::bench::Sandboxes sandboxes;
  glovebox::bench::Execs execs;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", argv[1]), grpc::InsecureServerCredentials());
  builder.RegisterService(&sandboxes);
  builder.RegisterService(&execs);
  auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  server->Wait();
}
