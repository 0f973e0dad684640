// Execs, their frames and their ends between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_EXEC_H_
#define GLOVEBOX_SERVICE_CONVERT_EXEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "exec/exec.h"
#include "exec/exec_spec.h"
#include "glovebox/v1/exec.pb.h"
#include "policy/output_limits.h"

namespace glovebox {

// INVALID_ARGUMENT for a wrong field, UNIMPLEMENTED for one that is not served, RESOURCE_EXHAUSTED
// with reason SPEC_TOO_LARGE. `workdir`: where a relative working directory starts.
// `output`: what it gets where nothing is named, and what may be named.
absl::StatusOr<ExecSpec> FromProto(const v1::ExecSpec& proto, absl::string_view workdir,
                                   const OutputBounds& output = {});
absl::StatusOr<TerminalSize> FromProto(const v1::TerminalSize& proto, absl::string_view field);
absl::StatusOr<ShellCommand> FromProto(const v1::RunShellCommandRequest& proto);
absl::StatusOr<SignalScope> FromProto(v1::SignalScope scope);

enum class WithEnvironment { kNo, kYes };

v1::ExecSpec ToProto(const ExecSpec& spec, WithEnvironment environment);
v1::ExecState ToProto(ExecSnapshot::State state);
v1::End ToProto(const ExecResult& result, bool terminal);
v1::CommandEnded ToProto(const CommandResult& result);
v1::Exec ToProto(const Exec& exec, const std::string& sandbox_id, WithEnvironment environment,
                 const Clock& clock);
// `exec` is the one that the frame is of.
v1::Frame ToProto(OutputFrame frame, const Exec& exec, const Clock& clock);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_EXEC_H_
