// What gloveboxd and glovebox-files say to each other over the program's stdin and stdout.
//
// Arguments: "glovebox-files" VERSION OPERATION TOKEN PATH. The token is the daemon's own, and part
// of every temporary name, so that what a killed run left can be found: OPERATION kUndo with the
// same token and path brings the tree back to what it was before that run, unless the run had
// finished, and removes what is temporary; kFilesFinish only does the latter. Both may be run any
// number of times.
//
// On stdin frames: kRequest with the RPC's own request message (file.proto, change.proto); of a
// write then kContent as often as needed, and kCommit. Without kCommit nothing is written. On
// stdout frames: kContent of a read, then one kDone with the RPC's response message or one kFailed.
// A run whose kDone came as a whole has finished, however it then ends. The kDone of kFilesUndo has
// kFilesUndone when a patch's journal was there and everything in it was taken back.
//
// Both sides take what they read as hostile: in the sandbox anybody of the same user can stop or
// kill the program, and give a program of its own the same pipes.
#ifndef GLOVEBOX_FILES_PROTOCOL_H_
#define GLOVEBOX_FILES_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr char kFilesProgramName[] = "glovebox-files";
inline constexpr char kFilesVersion[] = "1";

// Operations.
inline constexpr char kFilesRead[] = "read";
inline constexpr char kFilesWrite[] = "write";
inline constexpr char kFilesEdit[] = "edit";
inline constexpr char kFilesStat[] = "stat";
inline constexpr char kFilesList[] = "list";
inline constexpr char kFilesMakeDirectory[] = "make-directory";
inline constexpr char kFilesMove[] = "move";
inline constexpr char kFilesRemove[] = "remove";
inline constexpr char kFilesApply[] = "apply";
// Of sockets, which are files of their own kind: its request has inodes (field 1, repeated), its
// answer (field 1, repeated) inode, pid and the process's name (fields 1 to 3) of those found.
inline constexpr char kFilesOwners[] = "owners";
inline constexpr size_t kFilesOwnersMax = 1000;
inline constexpr char kFilesUndo[] = "undo";
inline constexpr char kFilesFinish[] = "finish";
inline constexpr char kFilesUndone[] = "undone";

enum class FilesFrameKind : uint32_t {
  kRequest = 1,
  kContent = 2,
  kCommit = 3,
  kDone = 4,
  kFailed = 5,
};

inline constexpr size_t kFilesContentBytesMax = 64 * 1024;
inline constexpr size_t kFilesRequestBytesMax = (size_t{4} << 20) + 64 * 1024;
inline constexpr size_t kFilesAnswerBytesMax = size_t{3} << 20;

struct FilesFrame {
  FilesFrameKind kind = FilesFrameKind::kContent;
  std::string body;
};

// Eight bytes, kind and size, little-endian; then the body.
std::string FormatFrame(FilesFrameKind kind, absl::string_view body);

// Frames from a stream of bytes in pieces of any size. Not thread-safe.
class FilesFrameParser {
 public:
  explicit FilesFrameParser(size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  void Feed(absl::string_view bytes) { pending_.append(bytes.data(), bytes.size()); }
  // nullopt: the next one has not come as a whole. DATA_LOSS: no frame, or a longer one.
  absl::StatusOr<std::optional<FilesFrame>> Next();
  bool empty() const { return at_ == pending_.size(); }

 private:
  const size_t body_bytes_max_;
  std::string pending_;
  size_t at_ = 0;
};

// The body of kFailed: a status with its detail. DATA_LOSS for what is none; codes, reasons and
// metadata that an answer may not have are refused, and what is text for people is escaped.
std::string EncodeFailure(const absl::Status& status);
absl::Status DecodeFailure(absl::string_view body);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_PROTOCOL_H_
