// As calls.h, for the calls about single files and patches.
#ifndef GLOVEBOX_TOOLS_FILE_CALLS_H_
#define GLOVEBOX_TOOLS_FILE_CALLS_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

namespace v1 {
class ApplyPatchRequest;
class ApplyPatchResponse;
class EditFileRequest;
class EditFileResponse;
class ReadFileRequest;
class ReadFileResponse;
class WriteFileRequest;
class WriteFileResponse;
}  // namespace v1

absl::Status CallApplyPatch(Connection& connection, const v1::ApplyPatchRequest& request,
                            v1::ApplyPatchResponse* response);
absl::Status CallEditFile(Connection& connection, const v1::EditFileRequest& request,
                          v1::EditFileResponse* response);
absl::Status CallReadFile(Connection& connection, const v1::ReadFileRequest& request,
                          const std::function<absl::Status(v1::ReadFileResponse&)>& each);
absl::Status CallWriteFile(Connection& connection,
                           const std::function<absl::StatusOr<bool>(v1::WriteFileRequest*)>& next,
                           v1::WriteFileResponse* response);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_FILE_CALLS_H_
