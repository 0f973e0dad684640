#include "patch/patch.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/relative_path.h"
#include "base/status.h"
#include "patch/line_cursor.h"

namespace glovebox {
namespace {

constexpr size_t kShownBytesMax = 200;

// As git on any file system takes it: NTFS and HFS+ ignore case, trailing dots and spaces, and what
// follows a colon.
bool IsGitDirectory(absl::string_view component) {
  std::string name = absl::AsciiStrToLower(component.substr(0, component.find(':')));
  while (!name.empty() && (name.back() == '.' || name.back() == ' ')) name.pop_back();
  return name == ".git" || name == "git~1";
}

bool LooksLikeAgentPatch(absl::string_view patch) {
  for (LineCursor lines(patch); !lines.done(); lines.Skip()) {
    const absl::string_view line = absl::StripAsciiWhitespace(lines.Peek());
    if (!line.empty()) return line == "*** Begin Patch";
  }
  return false;
}

}  // namespace

absl::Status MalformedPatch(uint64_t line, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("line ", line, " of the patch: ", why),
                       {"PATCH_MALFORMED", {{"line", absl::StrCat(line)}}});
}

absl::Status PatchLimit(absl::string_view what, uint64_t limit) {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat(what, "; the limit is ", limit, ": split the patch"),
                       {"PATCH_LIMIT", {{"limit", absl::StrCat(limit)}}});
}

absl::Status CheckPatchPath(absl::string_view path, uint64_t line) {
  const std::string shown = EscapeForPeople(path, kShownBytesMax);
  const auto refuse = [&](absl::string_view why) {
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("line ", line, " of the patch: the path \"", shown, "\" ", why),
        {"PATH_INVALID", {{"path", shown}, {"line", absl::StrCat(line)}}});
  };
  if (const auto parsed = RelativePath::Parse(path); !parsed.ok()) {
    return refuse(absl::StrCat("is refused: ", parsed.status().message()));
  }
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (IsGitDirectory(component)) return refuse("is git's own, which no patch may touch");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FilePatch>> ParsePatch(absl::string_view patch, PatchSyntax syntax) {
  if (patch.size() > kPatchBytesMax) {
    return PatchLimit(absl::StrCat("the patch has ", patch.size(), " bytes"), kPatchBytesMax);
  }
  const bool agent = syntax == PatchSyntax::kAgent ||
                     (syntax == PatchSyntax::kEither && LooksLikeAgentPatch(patch));
  ASSIGN_OR_RETURN(std::vector<FilePatch> files,
                   agent ? ParseAgentPatch(patch) : ParseGitPatch(patch));
  for (const FilePatch& file : files) {
    for (const std::string* path : {&file.old_path, &file.new_path}) {
      if (!path->empty()) RETURN_IF_ERROR(CheckPatchPath(*path, file.patch_line));
    }
  }
  return files;
}

}  // namespace glovebox
