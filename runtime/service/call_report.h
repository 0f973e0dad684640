// One call, from its arrival to its report: who makes it, whether it may, how it ended.
#ifndef GLOVEBOX_SERVICE_CALL_REPORT_H_
#define GLOVEBOX_SERVICE_CALL_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "service/caller.h"
#include "service/client_book.h"
#include "service/rpc_observer.h"
#include "service/service_deps.h"

namespace glovebox {

// What identifies a call in logs.
struct CallName {
  const char* method;  // "SandboxService/CreateSandbox"
  std::string sandbox_id = {};
  std::string exec_id = {};
};

class CallReport {
 public:
  // Takes the call's share of its client's quota, given back by End, or on destruction.
  CallReport(const ServiceDeps& deps, const grpc::CallbackServerContext& context, CallName name,
             CallKind kind);

  // Not OK: the call is to end with this and to do nothing.
  const absl::Status& admitted() const { return admitted_; }
  const Caller& caller() const { return caller_; }

  // What becomes known on the way, for the audit log. Before Decided and End.
  void SetSandbox(std::string id) { name_.sandbox_id = std::move(id); }
  void SetExec(std::string id) { name_.exec_id = std::move(id); }
  void SetChildren(std::vector<std::string> ids) { children_ = std::move(ids); }
  void SetArguments(std::string arguments) { arguments_ = std::move(arguments); }

  // What the call was to change has been changed, or not, though it goes on: tells the observer,
  // once. End does it otherwise.
  void Decided(const absl::Status& status);
  // The call ends with `status`: tells the observer, once, and gives what the client gets.
  grpc::Status End(const absl::Status& status);

 private:
  RpcEnd Describe(const absl::Status& status) const;

  CallName name_;
  const Clock* const clock_;
  RpcObserver* const observer_;
  const int64_t begun_ns_;
  Caller caller_;
  ClientBook::Ticket ticket_;
  absl::Status admitted_;
  uint64_t refused_before_ = 0;
  std::vector<std::string> children_;
  std::string arguments_;
  bool decided_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CALL_REPORT_H_
