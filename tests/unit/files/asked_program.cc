#include "tests/unit/files/asked_program.h"

#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"

namespace glovebox {

absl::StatusOr<std::string> AskProgram(absl::Status (*operation)(FilesCall*),
                                       const std::string& request, const std::string& path,
                                       const std::string& content) {
  const UniqueFd in(::memfd_create("in", MFD_CLOEXEC)), out(::memfd_create("out", MFD_CLOEXEC));
  RETURN_IF_ERROR(WriteAll(in.get(), FormatFrame(FilesFrameKind::kRequest, request)));
  if (!content.empty()) {
    RETURN_IF_ERROR(WriteAll(in.get(), FormatFrame(FilesFrameKind::kContent, content)));
  }
  RETURN_IF_ERROR(WriteAll(in.get(), FormatFrame(FilesFrameKind::kCommit, "")));
  (void)::lseek(in.get(), 0, SEEK_SET);  // of a memory file it does not fail
  FilesCall call(in.get(), out.get(), kAskedToken, path);
  RETURN_IF_ERROR(operation(&call));
  (void)::lseek(out.get(), 0, SEEK_SET);
  FilesFrameParser frames(kFilesRequestBytesMax);
  std::string piece(64 * 1024, '\0');
  for (ssize_t size = 0; (size = ::read(out.get(), piece.data(), piece.size())) > 0;) {
    frames.Feed(absl::string_view(piece).substr(0, static_cast<size_t>(size)));
  }
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<FilesFrame> frame, frames.Next());
    if (!frame.has_value()) return absl::DataLossError("there was no answer");
    if (frame->kind == FilesFrameKind::kDone) return frame->body;
  }
}

std::string ReasonOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : std::string(status.message());
}

}  // namespace glovebox
