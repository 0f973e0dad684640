#include "service/convert_change.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/relative_path.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kSkippedNamedMax = 1000;

v1::ChangeKind ToProto(ChangeLetter letter) {
  switch (letter) {
    case ChangeLetter::kAdded:
      return v1::CHANGE_KIND_ADDED;
    case ChangeLetter::kModified:
      return v1::CHANGE_KIND_MODIFIED;
    case ChangeLetter::kDeleted:
      return v1::CHANGE_KIND_DELETED;
    case ChangeLetter::kRenamed:
      return v1::CHANGE_KIND_RENAMED;
    case ChangeLetter::kTypeChanged:
      return v1::CHANGE_KIND_TYPE_CHANGED;
  }
  return v1::CHANGE_KIND_UNSPECIFIED;
}

v1::FileType TypeOf(uint32_t mode) {
  if (IsRegularMode(mode)) return v1::FILE_TYPE_REGULAR;
  if (mode == kModeSymlink) return v1::FILE_TYPE_SYMLINK;
  if (mode == kModeDirectory) return v1::FILE_TYPE_DIRECTORY;
  return v1::FILE_TYPE_SPECIAL;
}

v1::SkipReason ToProto(SkipReason reason) {
  switch (reason) {
    case SkipReason::kSpecialFile:
      return v1::SKIP_REASON_SPECIAL_FILE;
    case SkipReason::kEmptyDirectory:
      return v1::SKIP_REASON_DIRECTORY;
    case SkipReason::kTooLarge:
      return v1::SKIP_REASON_TOO_LARGE;
    case SkipReason::kRefusedByGit:
      return v1::SKIP_REASON_GIT_DIRECTORY;
    case SkipReason::kChangedMeanwhile:
      return v1::SKIP_REASON_UNREADABLE;
  }
  return v1::SKIP_REASON_UNSPECIFIED;
}

// A wrong one is named as the request's field.
absl::StatusOr<std::string> Parse(absl::string_view path) {
  absl::StatusOr<RelativePath> parsed = RelativePath::Parse(path);
  if (!parsed.ok()) return FieldError("path", parsed.status().message());
  return parsed->value();
}

}  // namespace

bool ChangeScope::Contains(absl::string_view path) const {
  return prefix.empty() || path == prefix ||
         (absl::StartsWith(path, prefix) && path[prefix.size()] == '/');
}

absl::StatusOr<ChangeScope> ScopeFromProto(absl::string_view path, absl::string_view workdir) {
  const std::string root(absl::StripPrefix(workdir, "/"));
  if (path.empty()) return ChangeScope{root, ""};
  if (path == "/") return ChangeScope{"", ""};
  absl::ConsumeSuffix(&path, "/");
  if (path[0] != '/') {
    absl::StatusOr<std::string> prefix = Parse(path);
    if (!prefix.ok()) return prefix.status();
    return ChangeScope{root, *prefix};
  }
  absl::StatusOr<std::string> absolute = Parse(path.substr(1));
  if (!absolute.ok()) return absolute.status();
  if (*absolute == root) return ChangeScope{root, ""};
  absl::string_view below = *absolute;
  if (!root.empty() && absl::ConsumePrefix(&below, absl::StrCat(root, "/"))) {
    return ChangeScope{root, std::string(below)};
  }
  return ChangeScope{"", *absolute};
}

v1::Change ToProto(const Change& change) {
  v1::Change proto;
  proto.set_path(change.path);
  proto.set_kind(ToProto(change.letter));
  if (change.letter == ChangeLetter::kRenamed) proto.set_old_path(change.old_path);
  const bool deleted = change.letter == ChangeLetter::kDeleted;
  proto.set_type(TypeOf(deleted ? change.old_mode : change.new_mode));
  if (change.old_mode != kModeAbsent) proto.set_old_mode(change.old_mode);
  if (change.new_mode != kModeAbsent) proto.set_new_mode(change.new_mode);
  if (IsRegularMode(change.old_mode)) proto.set_old_size_bytes(change.old_size_bytes);
  if (IsRegularMode(change.new_mode)) proto.set_new_size_bytes(change.new_size_bytes);
  if (change.new_mode == kModeSymlink) proto.set_symlink_target(change.symlink_target);
  return proto;
}

v1::DiffSummary ToProto(const PatchSummary& summary) {
  v1::DiffSummary proto;
  proto.set_files_changed(summary.files.size());
  proto.set_lines_added(summary.insertions);
  proto.set_lines_removed(summary.deletions);
  proto.set_patch_bytes(summary.output_bytes);
  proto.set_skipped_count(summary.skipped.size());
  for (const SkippedEntry& entry : summary.skipped) {
    if (static_cast<size_t>(proto.skipped_size()) >= kSkippedNamedMax) break;
    v1::SkippedFile* skipped = proto.add_skipped();
    skipped->set_path(entry.path);
    skipped->set_reason(ToProto(entry.reason));
  }
  return proto;
}

}  // namespace glovebox
