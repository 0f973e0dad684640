// Patches, and what killed runs left.
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "files/call.h"
#include "files/new_content.h"
#include "files/place.h"
#include "files/transaction.h"
#include "patch/patch_plan.h"

namespace glovebox {
namespace {

constexpr uint64_t kBinaryLookBytes = 8000;

// The tree below a directory, and what was seen of it.
class DiskTree final : public TreeView {
 public:
  explicit DiskTree(int top) : top_(top) {}

  absl::StatusOr<std::optional<PatchedEntry>> Read(const std::string& path) override {
    RETURN_IF_ERROR(CheckLinks(path));
    absl::StatusOr<UniqueFd> parent = OpenParentBeneath(top_, path);
    if (!parent.ok()) {
      const std::optional<ErrorDetail> detail = GetErrorDetail(parent.status());
      const bool absent = absl::IsNotFound(parent.status()) ||
                          (detail.has_value() && detail->reason == "NOT_A_DIRECTORY");
      if (absent) return std::optional<PatchedEntry>();
      return parent.status();
    }
    Place place{*std::move(parent), path.substr(path.rfind('/') + 1), path};
    ASSIGN_OR_RETURN(const std::optional<struct stat> stat, Look(place));
    if (!stat.has_value()) return std::optional<PatchedEntry>();
    seen_[path] = *stat;
    return ReadEntry(place, *stat);
  }

  std::optional<struct stat> seen(const std::string& path) const {
    const auto it = seen_.find(path);
    return it == seen_.end() ? std::nullopt : std::optional<struct stat>(it->second);
  }

 private:
  absl::Status CheckLinks(const std::string& path) const {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string above = path.substr(0, slash);
      struct stat stat {};
      if (::fstatat(top_, above.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) break;
      if (!S_ISLNK(stat.st_mode)) continue;
      return DetailedError(absl::StatusCode::kFailedPrecondition, "a symbolic link is above it",
                           {"PATH_NOT_BENEATH", {{"link", above}}});
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<std::optional<PatchedEntry>> ReadEntry(const Place& place,
                                                               const struct stat& stat) {
    PatchedEntry entry;
    entry.mode = stat.st_mode & 07777;
    if (S_ISDIR(stat.st_mode)) {
      entry.kind = PatchedEntry::Kind::kDirectory;
    } else if (S_ISLNK(stat.st_mode)) {
      entry.kind = PatchedEntry::Kind::kLink;
      entry.mode = 0777;
      ASSIGN_OR_RETURN(entry.content, ReadLinkAt(place.directory.get(), place.name, place.path));
    } else if (!S_ISREG(stat.st_mode)) {
      entry.kind = PatchedEntry::Kind::kOther;
    } else {
      ASSIGN_OR_RETURN(const OpenFile file, OpenForReading(place));
      ASSIGN_OR_RETURN(entry.content, ReadAll(file.fd.get(), place.path));
    }
    return std::optional<PatchedEntry>(std::move(entry));
  }

  static absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
    std::string content, piece(kFilesContentBytesMax, '\0');
    for (;;) {
      const ssize_t size = ::read(fd, piece.data(), piece.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return PathError(errno, "read", path);
      if (size == 0) return content;
      content.append(piece, 0, static_cast<size_t>(size));
      if (content.size() > kPatchedFileBytesMax) {
        return PatchLimit(absl::StrCat("the file ", EscapeForPeople(path, 500), " is too large"),
                          kPatchedFileBytesMax);
      }
    }
  }

  const int top_;
  std::map<std::string, struct stat> seen_;
};

struct ApplyRequest {
  std::string patch, directory;
  PatchSyntax syntax = PatchSyntax::kEither;
  uint32_t fuzz = 0;
  bool dry_run = false;
};

absl::StatusOr<ApplyRequest> Decode(absl::string_view message) {
  ApplyRequest request;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 2) request.patch = std::string(field.bytes);
    if (field.number == 3) request.syntax = static_cast<PatchSyntax>(field.value);
    if (field.number == 4) request.directory = std::string(field.bytes);
    if (field.number == 5) request.fuzz = static_cast<uint32_t>(field.value);
    if (field.number == 6) request.dry_run = field.value != 0;
  }
  if (!reader.malformed() && request.syntax <= PatchSyntax::kAgent) {
    // An editor's habit of no newline at the end is not the last line's.
    if (!absl::EndsWith(request.patch, "\n")) request.patch.push_back('\n');
    return request;
  }
  return DetailedError(absl::StatusCode::kInvalidArgument, "the request is malformed",
                       {"INVALID_FIELD", {}});
}

std::string EncodeHunk(const HunkReport& report) {
  WireWriter out;
  out.Bytes(1, report.path);
  out.Number(2, report.hunk);
  if (report.applied) out.Number(3, 1);
  if (report.line > 0) out.Number(4, report.line);
  if (report.fuzz_lines > 0) out.Number(5, report.fuzz_lines);
  if (!report.expected.empty()) out.Bytes(6, report.expected);
  if (!report.found.empty()) out.Bytes(7, report.found);
  return out.Take();
}

// ChangeKind of change.proto.
uint32_t KindOf(const PlannedChange& change) {
  if (!change.renamed_from.empty()) return 4;
  if (!change.before.has_value()) return 1;
  if (!change.after.has_value()) return 3;
  return change.before->kind == change.after->kind ? 2 : 5;
}

uint32_t ModeOf(const PatchedEntry& entry) {
  return entry.mode | (entry.kind == PatchedEntry::Kind::kLink ? S_IFLNK : S_IFREG);
}

std::string EncodeChange(const PlannedChange& change) {
  const PatchedEntry& shown = change.after.has_value() ? *change.after : *change.before;
  const bool is_link = shown.kind == PatchedEntry::Kind::kLink;
  WireWriter out;
  out.Bytes(1, change.path);
  out.Number(2, KindOf(change));
  if (!change.renamed_from.empty()) out.Bytes(3, change.renamed_from);
  out.Number(4, is_link ? 3 : 1);
  if (change.before.has_value()) out.Number(5, ModeOf(*change.before));
  if (change.after.has_value()) out.Number(6, ModeOf(*change.after));
  const auto size = [&](uint32_t number, const std::optional<PatchedEntry>& entry) {
    if (entry.has_value() && entry->kind == PatchedEntry::Kind::kFile) {
      out.Number(number, entry->content.size());
    }
  };
  size(7, change.before);
  size(8, change.after);
  if (!change.after.has_value()) return out.Take();
  if (is_link) {
    out.Bytes(10, shown.content);
  } else {
    const absl::string_view head = absl::string_view(shown.content).substr(0, kBinaryLookBytes);
    out.Number(11, absl::StrContains(head, '\0') ? 1 : 0);
  }
  return out.Take();
}

absl::StatusOr<std::string> EncodeAnswer(const PatchPlan& plan) {
  WireWriter out;
  for (const HunkReport& report : plan.hunks) out.Bytes(1, EncodeHunk(report));
  // What moved away is one change with where it went.
  std::map<absl::string_view, bool> sources;
  for (const PlannedChange& change : plan.changes) sources[change.renamed_from] = true;
  for (const PlannedChange& change : plan.changes) {
    if (!change.after.has_value() && sources.contains(change.path)) continue;
    out.Bytes(2, EncodeChange(change));
  }
  if (out.message().size() > kFilesAnswerBytesMax) {
    return PatchLimit("the answer would have too many bytes", kFilesAnswerBytesMax);
  }
  return out.Take();
}

absl::StatusOr<UniqueFd> OpenTop(const std::string& directory) {
  ASSIGN_OR_RETURN(const Place place, FindPlace(directory.empty() ? "." : directory, true));
  return OpenDirectory(place);
}

// Where a write was, if it was one.
absl::StatusOr<Place> PlaceOfWrite(const FilesCall& call) {
  return FindPlace(call.path().empty() ? "." : call.path(), true);
}

// Where nothing is, nothing was done; of all else that may not be said.
bool IsAbsent(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return absl::IsNotFound(status) || (detail.has_value() && detail->reason == "NOT_A_DIRECTORY");
}

}  // namespace

absl::Status ApplyPatchCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string message, call->ReadRequest());
  ASSIGN_OR_RETURN(const ApplyRequest request, Decode(message));
  ASSIGN_OR_RETURN(const std::vector<FilePatch> patch, ParsePatch(request.patch, request.syntax));
  ASSIGN_OR_RETURN(const UniqueFd top, OpenTop(request.directory));
  DiskTree tree(top.get());
  ASSIGN_OR_RETURN(const PatchPlan plan, PlanPatch(patch, &tree, {request.fuzz, request.dry_run}));
  ASSIGN_OR_RETURN(const std::string answer, EncodeAnswer(plan));
  if (request.dry_run || plan.changes.empty()) return call->Write(FilesFrameKind::kDone, answer);
  std::vector<std::optional<struct stat>> before;
  before.reserve(plan.changes.size());
  for (const PlannedChange& change : plan.changes) before.push_back(tree.seen(change.path));
  Transaction transaction(top.get(), call->TemporaryName());
  absl::Status status = transaction.Stage(plan.changes, before);
  if (status.ok()) status = transaction.Commit();
  // Whoever reads the answer takes the patch for applied; before it has it there is a way back.
  if (status.ok()) status = call->Write(FilesFrameKind::kDone, answer);
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  const bool stuck = detail.has_value() && detail->reason == "FILES_NOT_UNDONE";
  if (!stuck) transaction.Finish();
  return status;
}

absl::Status FinishCall(FilesCall* call) {
  if (const absl::StatusOr<UniqueFd> top = OpenTop(call->path()); top.ok()) {
    Transaction::Discard(top->get(), call->TemporaryName());
  }
  if (const absl::StatusOr<Place> place = PlaceOfWrite(*call); place.ok()) {
    NewContent::Discard(*place, call->TemporaryName());
  }
  return call->Write(FilesFrameKind::kDone, "");
}

absl::Status UndoCall(FilesCall* call) {
  const std::string name = call->TemporaryName();
  bool undone = false;
  // Of a patch: in the directory itself.
  const absl::StatusOr<UniqueFd> top = OpenTop(call->path());
  if (!top.ok() && !IsAbsent(top.status())) return top.status();
  if (top.ok()) {
    ASSIGN_OR_RETURN(undone, Transaction::Recover(top->get(), name));
  }
  if (const absl::StatusOr<Place> place = PlaceOfWrite(*call); place.ok()) {
    NewContent::TakeBack(*place, name);
  }
  return call->Write(FilesFrameKind::kDone, undone ? kFilesUndone : "");
}

}  // namespace glovebox
