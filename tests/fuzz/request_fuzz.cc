// Requests as they come over the wire, up to where the domain takes over; and what comes back, as
// the command line's JSON.
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "glovebox/v1/exec.pb.h"
#include "glovebox/v1/sandbox.pb.h"
#include "sandbox/state_rows.h"
#include "service/convert_change.h"
#include "service/convert_exec.h"
#include "service/convert_sandbox.h"
#include "service/paging.h"
#include "service/status.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tools/glovebox/json_shapes.h"

namespace glovebox {
namespace {

LimitBounds Bounds() {
  LimitBounds bounds;
  bounds.maximum.memory_bytes = uint64_t{1} << 40;
  bounds.maximum.pids_max = 1 << 20;
  bounds.maximum.cpu_millis = 1 << 20;
  bounds.maximum.disk_bytes = uint64_t{1} << 44;
  bounds.maximum.disk_inodes = 0;
  return bounds;
}

// What a client is told.
void CheckRefusal(const absl::Status& status) {
  const google::rpc::Status told = ToRpcStatus(status);
  Demand(told.message().size() <= kErrorMessageBytesMax, "messages are bounded");
  Demand(told.details_size() > 0 && !ErrorReason(status).empty(), "a refusal has a reason");
}

void CheckCreate(const v1::CreateSandboxRequest& request) {
  const auto options = FromProto(request, Bounds());
  if (!options.ok()) return CheckRefusal(options.status());
  Demand(Validate(options->limits).ok(), "limits are valid");
  Demand(options->labels.size() <= kLabelsMax, "labels are bounded");
  Demand(options->snapshot.empty() || !options->repository.has_value(), "there is one source");
  const auto stored = ParseOptions(FormatOptions(*options));
  if (!stored.ok()) return;  // bytes that are no UTF-8 are replaced where they are stored
  Demand(stored->limits == options->limits && stored->seccomp == options->seccomp &&
             stored->root_inside == options->root_inside,
         "what is stored is what was asked for");
}

void CheckExec(const v1::StartExecRequest& request) {
  const auto spec = FromProto(request.spec(), "/workspace");
  if (!spec.ok()) return CheckRefusal(spec.status());
  Demand(ValidateExecSpec(*spec).ok(), "a spec is valid");
  const auto record = DecodeExecRecord(EncodeExecRecord("x", *spec));
  Demand(record.ok() && record->spec == *spec, "what is recorded is what was asked for");
  Demand(FromProto(ToProto(*spec, WithEnvironment::kYes), "/workspace").ok(),
         "what is shown can be asked for");
}

void CheckShellCommand(const v1::RunShellCommandRequest& request) {
  const auto command = FromProto(request);
  if (!command.ok()) CheckRefusal(command.status());
}

void CheckScope(const v1::ListChangesRequest& request) {
  const auto scope = ScopeFromProto(request.path(), "/workspace");
  if (!scope.ok()) return CheckRefusal(scope.status());
  const std::string framed = "/" + scope->root + "/" + scope->prefix + "/";
  Demand(framed.find("/../") == std::string::npos, "a scope does not lead up");
  (void)PageSize(request.page_size());  // must only not crash
  const PageTokens tokens("nonce");
  Demand(request.page_token().empty() || !tokens.Read("q", request.page_token()).ok(),
         "nobody guesses a page token");
}

void CheckTerminal(const v1::ResizeTerminalRequest& request) {
  const auto size = FromProto(request.terminal(), "terminal");
  if (!size.ok()) return CheckRefusal(size.status());
  Demand(size->rows > 0 && size->columns > 0, "a terminal has a size");
}

void CheckListing(const v1::ListSandboxesRequest& request) {
  SandboxInfo info;
  info.labels = {{"a", "b"}};
  (void)Matches(info, request);  // must only not crash
}

void CheckJson(const Json& json) {
  const std::string line = OneLine(json);
  for (const char& c : line) {
    Demand((c >= 0x20 && c < 0x7f) || (c == '\n' && &c == &line.back()), "JSON is one ASCII line");
  }
  Demand(Json::accept(line), "JSON is JSON");
}

template <typename Message, typename Check>
void With(absl::string_view bytes, Check check) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) check(message);
}

}  // namespace

void FuzzRequest(absl::string_view bytes) {
  FuzzInput input(bytes);
  const uint8_t kind = input.Byte();
  const absl::string_view rest = input.Rest();
  switch (kind % 10) {
    case 0:
      return With<v1::CreateSandboxRequest>(rest, CheckCreate);
    case 1:
      return With<v1::StartExecRequest>(rest, CheckExec);
    case 2:
      return With<v1::RunShellCommandRequest>(rest, CheckShellCommand);
    case 3:
      return With<v1::ListChangesRequest>(rest, CheckScope);
    case 4:
      return With<v1::ResizeTerminalRequest>(rest, CheckTerminal);
    case 5:
      return With<v1::ListSandboxesRequest>(rest, CheckListing);
    case 6:
      return With<v1::Frame>(rest, [](const v1::Frame& m) { CheckJson(FrameJson(m)); });
    case 7:
      return With<v1::Exec>(rest, [](const v1::Exec& m) { CheckJson(ExecJson(m)); });
    case 8:
      return With<v1::Sandbox>(rest, [](const v1::Sandbox& m) { CheckJson(SandboxJson(m)); });
    default:
      return With<v1::Change>(rest, [](const v1::Change& m) { CheckJson(ChangeJson(m)); });
  }
}

}  // namespace glovebox
