// ExecService: commands, their output, input and end (proto/glovebox/v1/exec.proto).
#ifndef GLOVEBOX_SERVICE_EXEC_SERVICE_H_
#define GLOVEBOX_SERVICE_EXEC_SERVICE_H_

#include <memory>
#include <string>

#include "glovebox/v1/exec.grpc.pb.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

// Thread-safe. No call owns its command: cancelling one, RunExec included, leaves it running.
class ExecService final : public v1::ExecService::CallbackService {
 public:
  explicit ExecService(const ServiceDeps* deps) : deps_(*deps) {}

  grpc::ServerUnaryReactor* StartExec(grpc::CallbackServerContext* context,
                                      const v1::StartExecRequest* request,
                                      v1::StartExecResponse* response) override;
  grpc::ServerWriteReactor<v1::AttachExecResponse>* AttachExec(
      grpc::CallbackServerContext* context, const v1::AttachExecRequest* request) override;
  grpc::ServerWriteReactor<v1::RunExecResponse>* RunExec(
      grpc::CallbackServerContext* context, const v1::RunExecRequest* request) override;
  grpc::ServerUnaryReactor* AcknowledgeOutput(grpc::CallbackServerContext* context,
                                              const v1::AcknowledgeOutputRequest* request,
                                              v1::AcknowledgeOutputResponse* response) override;
  grpc::ServerWriteReactor<v1::RunShellCommandResponse>* RunShellCommand(
      grpc::CallbackServerContext* context, const v1::RunShellCommandRequest* request) override;
  grpc::ServerUnaryReactor* WriteStdin(grpc::CallbackServerContext* context,
                                       const v1::WriteStdinRequest* request,
                                       v1::WriteStdinResponse* response) override;
  grpc::ServerUnaryReactor* SignalExec(grpc::CallbackServerContext* context,
                                       const v1::SignalExecRequest* request,
                                       v1::SignalExecResponse* response) override;
  grpc::ServerUnaryReactor* ResizeTerminal(grpc::CallbackServerContext* context,
                                           const v1::ResizeTerminalRequest* request,
                                           v1::ResizeTerminalResponse* response) override;
  grpc::ServerUnaryReactor* WaitExec(grpc::CallbackServerContext* context,
                                     const v1::WaitExecRequest* request,
                                     v1::WaitExecResponse* response) override;
  grpc::ServerUnaryReactor* GetExec(grpc::CallbackServerContext* context,
                                    const v1::GetExecRequest* request,
                                    v1::GetExecResponse* response) override;
  grpc::ServerUnaryReactor* ListExecs(grpc::CallbackServerContext* context,
                                      const v1::ListExecsRequest* request,
                                      v1::ListExecsResponse* response) override;

 private:
  absl::StatusOr<std::shared_ptr<Exec>> Find(const Caller& caller, const std::string& sandbox_id,
                                             const std::string& exec_id) const;
  // Of a StartExecRequest or a RunExecRequest.
  template <typename Request>
  absl::StatusOr<std::shared_ptr<Exec>> Start(const Request& request, CallReport& report) const;
  absl::Status List(const Caller& caller, const v1::ListExecsRequest& request,
                    v1::ListExecsResponse* response) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_EXEC_SERVICE_H_
