#include "tools/glovebox/sandbox_tar.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

constexpr size_t kErrorBytesMax = 2000;

v1::RunExecRequest RequestOf(const std::string& sandbox_id, const std::string& exec_id,
                             const std::vector<std::string>& arguments, bool with_input) {
  v1::RunExecRequest request;
  request.set_sandbox_id(sandbox_id);
  request.set_exec_id(exec_id);
  for (const std::string& argument : arguments) request.mutable_spec()->add_arguments(argument);
  if (with_input) request.mutable_spec()->set_stdin_mode(v1::STDIN_MODE_PIPE);
  // Dropped output would be a broken archive.
  request.mutable_spec()->set_output_policy(v1::OUTPUT_POLICY_BACK_PRESSURE);
  return request;
}

}  // namespace

SandboxTar::SandboxTar(Connection& connection, const std::string& sandbox_id,
                       const std::vector<std::string>& arguments, bool with_input)
    : exec_id_(NewExecId()),
      program_(arguments.front()),
      input_(connection, sandbox_id, exec_id_),
      stream_(std::make_unique<ExecStream>(
          connection, RequestOf(sandbox_id, exec_id_, arguments, with_input))) {}

absl::Status SandboxTar::Start() {
  ASSIGN_OR_RETURN(const bool more, stream_->Next(&frame_));
  return more ? absl::OkStatus() : absl::UnavailableError("the stream ended at once");
}

absl::StatusOr<absl::string_view> SandboxTar::NextPiece() {
  while (true) {
    ASSIGN_OR_RETURN(const bool more, stream_->Next(&frame_));
    if (!more) return absl::UnavailableError("the stream ended without the command's end");
    if (frame_.has_stdout() && !frame_.stdout().empty()) return absl::string_view(frame_.stdout());
    if (frame_.has_stderr()) {
      errors_.append(frame_.stderr(), 0, kErrorBytesMax - std::min(kErrorBytesMax, errors_.size()));
    }
    if (frame_.has_gap()) {
      return absl::DataLossError("a part of the stream is missing: the copy is not complete");
    }
    if (frame_.has_end()) {
      RETURN_IF_ERROR(Judge(frame_.end()));
      return absl::string_view();
    }
  }
}

absl::Status SandboxTar::Judge(const v1::End& end) const {
  const int code = ExitCodeOf(end);
  if (code == 0) return absl::OkStatus();
  if (code == kExitNotFound) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat("the sandbox's image has no ", program_),
                         {"", {{"remedy", "use an image with tar and sh"}}});
  }
  const auto reason = ReasonOf(end, std::nullopt);
  if (reason.has_value()) return absl::FailedPreconditionError(*reason);
  const absl::string_view said = absl::StripSuffix(errors_, "\n");
  return absl::FailedPreconditionError(absl::StrCat(
      "in the sandbox: ", said.empty() ? absl::StrCat("exit code ", code) : std::string(said)));
}

absl::StatusOr<DestinationKind> KindInside(Connection& connection, const std::string& sandbox_id,
                                           const std::string& path) {
  constexpr char kScript[] =
      "if [ -d \"$1\" ]; then echo d; elif [ -e \"$1\" ] || [ -L \"$1\" ]; then echo f; "
      "else echo m; fi";
  SandboxTar probe(connection, sandbox_id, {"sh", "-c", kScript, "sh", path}, false);
  std::string answer;
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view piece, probe.NextPiece());
    if (piece.empty() || answer.size() > 2) break;
    absl::StrAppend(&answer, piece);
  }
  if (answer == "d\n") return DestinationKind::kDirectory;
  if (answer == "f\n") return DestinationKind::kFile;
  if (answer == "m\n") return DestinationKind::kMissing;
  return absl::InternalError("the sandbox gave no answer on what the path is");
}

}  // namespace glovebox
