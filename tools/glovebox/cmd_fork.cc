// glovebox fork: new sandboxes with the files that another one has now.
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "tools/glovebox/create_options.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr uint64_t kCountMax = 1000;

struct Options {
  std::string id;
  std::string count = "1";
  SandboxOptions sandbox;  // memory, pids, cpus, labels alone
};

absl::StatusOr<v1::ForkSandboxRequest> BuildRequest(Connection& connection,
                                                    const Options& options) {
  v1::ForkSandboxRequest request;
  ASSIGN_OR_RETURN(const uint64_t count, ParseCount(options.count, kCountMax));
  request.set_count(static_cast<uint32_t>(count));
  ASSIGN_OR_RETURN(const v1::CreateSandboxRequest like, BuildCreateRequest(options.sandbox));
  *request.mutable_limits() = like.limits();
  *request.mutable_labels() = like.labels();
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(connection, options.id));
  request.set_request_id(NewRandomId());
  return request;
}

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

Json ResponseJson(const v1::ForkSandboxResponse& response) {
  Json children = Json::array();
  for (const v1::ForkResult& result : response.results()) {
    if (result.has_sandbox()) {
      children.push_back({{"sandbox", SandboxJson(result.sandbox())}});
    } else {
      children.push_back({{"error", result.error().message()}});
    }
  }
  return {{"children", std::move(children)},
          {"frozen_ms", absl::ToDoubleMilliseconds(DurationOf(response.frozen_time()))},
          {"processes_not_copied", response.processes_not_copied()}};
}

int Show(const Invocation& invocation, const v1::ForkSandboxResponse& response) {
  int code = 0;
  std::string ids;
  for (const v1::ForkResult& result : response.results()) {
    if (result.has_sandbox()) {
      absl::StrAppend(&ids, result.sandbox().id(), "\n");
    } else {
      code = kExitFailure;
      Note(absl::StrCat("fork: one could not be made: ",
                        EscapeForPeople(result.error().message(), 1000)));
    }
  }
  if (!invocation.json && response.processes_not_copied() > 0) {
    Note(absl::StrCat("fork: files are copied, processes are not: ",
                      response.processes_not_copied(), " run in the original alone"));
  }
  const int printed = Print(invocation.json ? Pretty(ResponseJson(response)) : ids);
  return code != 0 ? code : printed;
}

int Fork(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("fork", connection.status(), kExitFailure);
  const auto request = BuildRequest(**connection, options);
  if (!request.ok()) return Fail("fork", request.status(), kExitFailure);
  v1::ForkSandboxResponse response;
  const absl::Status called = Call(**connection, *request, &response);
  if (!called.ok()) return Fail("fork", called, kExitFailure);
  return Show(invocation, response);
}

}  // namespace

void AddFork(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb =
      AddVerb(app, invocation, "fork", "Make sandboxes with the files that another one has now",
              "  glovebox fork 3f2a\n"
              "  glovebox fork -n 10 --label try=2 3f2a\n"
              "Files on its disk are copied as they are at one moment; processes, /tmp and "
              "/dev/shm are not.",
              [&invocation, options] { return Fork(invocation, *options); });
  verb.AddOption("ID", options->id, "Sandbox to fork").Required();
  verb.AddOption("-n,--count", options->count, "How many, at most 1000 (1)").TypeName("N");
  verb.AddOption("--memory", options->sandbox.memory, "Memory limit (the original's)")
      .TypeName("SIZE");
  verb.AddOption("--pids", options->sandbox.pids, "Limit of processes (the original's)")
      .TypeName("N");
  verb.AddOption("--cpus", options->sandbox.cpus, "CPU limit (the original's)").TypeName("N");
  verb.AddOption("--label", options->sandbox.labels, "Label to add; may be repeated")
      .TypeName("K=V")
      .Repeated();
}

}  // namespace glovebox
