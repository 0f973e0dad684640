// One run of the program: what it is asked, and how it answers.
#ifndef GLOVEBOX_FILES_CALL_H_
#define GLOVEBOX_FILES_CALL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "files/protocol.h"

namespace glovebox {

// Not thread-safe.
class FilesCall {
 public:
  // The descriptors are borrowed.
  FilesCall(int in_fd, int out_fd, std::string token, std::string path)
      : in_fd_(in_fd),
        out_fd_(out_fd),
        token_(std::move(token)),
        path_(std::move(path)),
        frames_(kFilesRequestBytesMax) {}

  // Part of every temporary name of this run.
  std::string TemporaryName() const { return TemporaryNameOf(token_); }
  static std::string TemporaryNameOf(absl::string_view token);
  const std::string& path() const { return path_; }

  // The next frame. ABORTED, FILES_INTERRUPTED: the input ends.
  absl::StatusOr<FilesFrame> Read();
  absl::StatusOr<std::string> ReadRequest();
  absl::Status Write(FilesFrameKind kind, absl::string_view body);

 private:
  const int in_fd_, out_fd_;
  const std::string token_, path_;
  FilesFrameParser frames_;
};

// What the operations have in common: each reads its request, works, and writes its answer. An
// error is to be written by the caller.
absl::Status ReadFileCall(FilesCall* call);
absl::Status WriteFileCall(FilesCall* call);
absl::Status EditFileCall(FilesCall* call);
absl::Status StatFileCall(FilesCall* call);
absl::Status ListDirectoryCall(FilesCall* call);
absl::Status MakeDirectoryCall(FilesCall* call);
absl::Status MoveCall(FilesCall* call);
absl::Status RemoveCall(FilesCall* call);
absl::Status ApplyPatchCall(FilesCall* call);
absl::Status FindOwnersCall(FilesCall* call);
// Of a run of any of them.
absl::Status UndoCall(FilesCall* call);
absl::Status FinishCall(FilesCall* call);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_CALL_H_
