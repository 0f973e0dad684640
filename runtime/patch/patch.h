// Patches that others wrote, as values: git's (and plain unified ones), and the `*** Begin Patch`
// format of coding agents. Pure functions on bytes that may be anything; views lie in the patch.
//
// Grammar of the agent format, as its users publish it (apply_patch of openai/codex):
//   patch  := "*** Begin Patch" { add | delete | update } "*** End Patch"
//   add    := "*** Add File: " path, then lines with a leading "+"
//   delete := "*** Delete File: " path
//   update := "*** Update File: " path [ "*** Move to: " path ] { hunk }
//   hunk   := { "@@" [ " " anchor ] } lines with a leading " ", "-" or "+" [ "*** End of File" ]
// Taken as well: blank lines around the patch, an empty line as an empty context line, a first hunk
// without "@@", lines that end in CR LF.
#ifndef GLOVEBOX_PATCH_PATCH_H_
#define GLOVEBOX_PATCH_PATCH_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr size_t kPatchBytesMax = size_t{3} << 20;  // gRPC's limit is 4 MiB a message
inline constexpr size_t kPatchFilesMax = 20'000;
// Of one file that a patch changes, before or after.
inline constexpr uint64_t kPatchedFileBytesMax = uint64_t{64} << 20;

enum class PatchSyntax { kEither, kGit, kAgent };

struct HunkLine {
  char mark = ' ';         // ' ', '-' or '+'
  absl::string_view text;  // with its "\n", unless the file ends without one
};

struct Hunk {
  uint32_t number = 0;      // from 1 in its file
  uint64_t patch_line = 0;  // from 1
  uint64_t old_line = 0;    // as the patch says; git's only
  uint64_t new_line = 0;
  std::vector<absl::string_view> anchors;  // the agent format's only, without "\n"
  bool at_end = false;                     // "*** End of File"
  std::vector<HunkLine> lines;
};

// Of a GIT binary patch, as inflated.
struct BinaryHunk {
  bool is_delta = false;
  std::string bytes;
  std::string old_id, new_id;  // full object names in hex
};

enum class FileAction { kModify, kCreate, kDelete, kRename, kCopy };

// What is to become of one file.
struct FilePatch {
  FileAction action = FileAction::kModify;
  bool agent = false;                          // hunks fit by text alone
  bool may_be_missing = false;                 // a change of what is not there makes it
  uint64_t patch_line = 0;                     // of its first line
  std::string old_path;                        // "": there was none
  std::string new_path;                        // "": there is to be none
  std::optional<uint32_t> old_mode, new_mode;  // 0100644, 0100755, 0120000; no new one: it stays
  std::vector<Hunk> hunks;
  std::optional<BinaryHunk> binary;
};

// INVALID_ARGUMENT: PATCH_MALFORMED (metadata `line`), PATH_INVALID (`path`, `line`): a path that
// is absolute, leads up, is git's own or is no path. RESOURCE_EXHAUSTED: PATCH_LIMIT (`limit`).
absl::StatusOr<std::vector<FilePatch>> ParsePatch(absl::string_view patch, PatchSyntax syntax);

// --- for the parsers ---

absl::Status MalformedPatch(uint64_t line, absl::string_view why);
absl::Status PatchLimit(absl::string_view what, uint64_t limit);
// A path that may be changed: relative, without "." and "..", not below .git in any spelling.
absl::Status CheckPatchPath(absl::string_view path, uint64_t line);

absl::StatusOr<std::vector<FilePatch>> ParseGitPatch(absl::string_view patch);
absl::StatusOr<std::vector<FilePatch>> ParseAgentPatch(absl::string_view patch);

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_PATCH_H_
