#include "files/call.h"

#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kReadBytes = 256 * 1024;

absl::Status Interrupted(absl::string_view why) {
  return DetailedError(absl::StatusCode::kAborted, why, {"FILES_INTERRUPTED", {}});
}

}  // namespace

std::string FilesCall::TemporaryNameOf(absl::string_view token) {
  return absl::StrCat(".glovebox-", token);
}

absl::StatusOr<FilesFrame> FilesCall::Read() {
  std::string buffer;
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<FilesFrame> frame, frames_.Next());
    if (frame.has_value()) return *std::move(frame);
    buffer.resize(kReadBytes);
    const ssize_t size = ::read(in_fd_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Interrupted("the request cannot be read");
    if (size == 0) return Interrupted("the request ended early");
    frames_.Feed(absl::string_view(buffer.data(), static_cast<size_t>(size)));
  }
}

absl::StatusOr<std::string> FilesCall::ReadRequest() {
  ASSIGN_OR_RETURN(FilesFrame frame, Read());
  if (frame.kind != FilesFrameKind::kRequest) return Interrupted("the request is missing");
  return std::move(frame.body);
}

absl::Status FilesCall::Write(FilesFrameKind kind, absl::string_view body) {
  return WriteAll(out_fd_, FormatFrame(kind, body));
}

}  // namespace glovebox
