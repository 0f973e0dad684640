// What calls on files have in common: checks of requests, and answers of the program.
#ifndef GLOVEBOX_SERVICE_FILE_REQUEST_H_
#define GLOVEBOX_SERVICE_FILE_REQUEST_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "service/files_run.h"
#include "service/find_sandbox.h"
#include "service/service_deps.h"
#include "service/unary_call.h"

namespace glovebox {

// 1 to 4,095 bytes without NUL. INVALID_ARGUMENT, PATH_INVALID.
absl::Status CheckFilePath(absl::string_view path, absl::string_view field = "path");
// Permission bits only. INVALID_ARGUMENT.
absl::Status CheckFileMode(std::optional<uint32_t> mode);
// "sha256:..." or absent. INVALID_ARGUMENT.
absl::Status CheckExpectedDigest(const std::optional<std::string>& digest);

// Aborted: the program's answer is not what it should be.
absl::Status UnreadableAnswer();

// One request, one answer. `path`: the file or directory that it is about.
template <typename Response>
absl::Status AskFilesProgram(const ServiceDeps& deps, const UnaryCall& call,
                             const std::string& sandbox_id, const char* operation,
                             const std::string& path, const std::string& request,
                             Response* response) {
  ASSIGN_OR_RETURN(auto sandbox, FindSandbox(deps, call.caller(), sandbox_id));
  ASSIGN_OR_RETURN(const std::string answer,
                   FilesRun::Ask(std::move(sandbox), operation, path, request,
                                 [&call] { return call.cancelled(); }));
  return response->ParseFromString(answer) ? absl::OkStatus() : UnreadableAnswer();
}

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FILE_REQUEST_H_
