#include "changes/patch_writer.h"

#include <algorithm>
#include <climits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "changes/binary_literal.h"
#include "changes/budget.h"
#include "changes/file_side.h"
#include "changes/path_quote.h"
#include "changes/text_hunks.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr absl::string_view kPatchLimitReason = "PATCH_LIMIT";

bool IsBlobMode(uint32_t mode) { return IsRegularMode(mode) || mode == kModeSymlink; }

std::string ModeLine(absl::string_view what, uint32_t mode) {
  return absl::StrFormat("%s mode %06o\n", what, mode);
}

// "--- a/x": a tab ends a name with spaces, or patch(1) would take the rest for a date.
std::string NameLine(absl::string_view marker, absl::string_view prefix, const std::string& path,
                     bool exists) {
  if (!exists) return absl::StrCat(marker, " /dev/null\n");
  const std::string name = QuoteForGit(prefix, path);
  return absl::StrCat(marker, " ", name, name.find(' ') == std::string::npos ? "\n" : "\t\n");
}

uint64_t CountLines(absl::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class PatchWriter {
 public:
  PatchWriter(const PatchLimits& limits, const Clock& clock, PatchSink sink)
      : limits_(limits),
        output_(kPatchLimitReason, "output_bytes", limits.output_bytes_max),
        time_(kPatchLimitReason, limits.time_ms_max, clock),
        sink_(sink) {}

  absl::Status OpenRoots(const Layers& layers);
  absl::Status WriteChange(const Change& change);
  PatchSummary TakeSummary() {
    summary_.output_bytes = output_.used();
    return std::move(summary_);
  }

 private:
  absl::Status Put(absl::string_view bytes);
  void Skip(const Change& change, SkipReason reason);
  absl::StatusOr<std::optional<FileSide>> ReadOrSkip(int root_fd, const Change& change);
  absl::Status WriteSection(const FileSide& old_side, const FileSide& new_side,
                            FileSummary* summary);
  absl::Status WriteBinary(const FileSide& old_side, const FileSide& new_side);
  absl::Status WriteLiteral(const FileSide& side);
  absl::Status WriteText(const FileSide& old_side, const FileSide& new_side, FileSummary* summary);

  const PatchLimits& limits_;
  TextDiffer differ_;
  Allowance output_;
  TimeAllowance time_;
  PatchSink sink_;
  UniqueFd upper_root_;                // invalid when the upper has no such directory
  std::vector<UniqueFd> lower_roots_;  // the same
  std::string path_;                   // of the change at hand
  PatchSummary summary_;
};

absl::StatusOr<UniqueFd> OpenRoot(int layer_fd, const std::string& root) {
  auto dir = OpenDirectoryBeneath(layer_fd, root.empty() ? "." : root);
  if (dir.ok()) return std::move(dir->fd);
  // Absent or whited out in this layer; a change that needs it is then reported as skipped.
  if (absl::IsNotFound(dir.status()) || absl::IsFailedPrecondition(dir.status())) return UniqueFd();
  return dir.status();
}

absl::Status PatchWriter::OpenRoots(const Layers& layers) {
  ASSIGN_OR_RETURN(upper_root_, OpenRoot(layers.upper_fd, layers.root));
  for (int layer_fd : layers.lower_fds) {
    ASSIGN_OR_RETURN(UniqueFd root, OpenRoot(layer_fd, layers.root));
    lower_roots_.push_back(std::move(root));
  }
  return absl::OkStatus();
}

absl::Status PatchWriter::Put(absl::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(output_.Take(bytes.size(), path_));
  return sink_(bytes);
}

void PatchWriter::Skip(const Change& change, SkipReason reason) {
  const uint64_t size = std::max(change.old_size_bytes, change.new_size_bytes);
  summary_.skipped.push_back({change.path, reason, reason == SkipReason::kTooLarge ? size : 0});
}

absl::StatusOr<std::optional<FileSide>> PatchWriter::ReadOrSkip(int root_fd, const Change& change) {
  absl::StatusOr<FileSide> side = absl::NotFoundError("");
  if (root_fd >= 0) side = ReadSide(root_fd, change.path, limits_, time_);
  if (side.ok()) return std::optional<FileSide>(*std::move(side));
  const auto detail = GetErrorDetail(side.status());
  const std::string reason = detail.has_value() ? detail->reason : "";
  if (reason == "FILE_TOO_LARGE") {
    Skip(change, SkipReason::kTooLarge);
  } else if (absl::IsNotFound(side.status()) ||
             (absl::IsFailedPrecondition(side.status()) && reason != "OVERLAY_FEATURE")) {
    Skip(change, SkipReason::kChangedMeanwhile);
  } else {
    return side.status();
  }
  return std::optional<FileSide>();
}

absl::Status PatchWriter::WriteLiteral(const FileSide& side) {
  const auto put = [this](absl::string_view bytes) { return Put(bytes); };
  BinaryLiteral literal(side.size_bytes, put);
  RETURN_IF_ERROR(ForEachPiece(side, path_, time_,
                               [&](absl::string_view piece) { return literal.Feed(piece); }));
  return literal.Finish();
}

absl::Status PatchWriter::WriteBinary(const FileSide& old_side, const FileSide& new_side) {
  RETURN_IF_ERROR(Put("GIT binary patch\n"));
  RETURN_IF_ERROR(WriteLiteral(new_side));
  return WriteLiteral(old_side);  // for git apply -R
}

absl::Status PatchWriter::WriteText(const FileSide& old_side, const FileSide& new_side,
                                    FileSummary* summary) {
  RETURN_IF_ERROR(Put(NameLine("---", "a/", path_, old_side.mode != kModeAbsent)));
  RETURN_IF_ERROR(Put(NameLine("+++", "b/", path_, new_side.mode != kModeAbsent)));
  ASSIGN_OR_RETURN(const LineCounts counts,
                   differ_.WriteHunks(old_side.content, new_side.content,
                                      [this](absl::string_view bytes) { return Put(bytes); }));
  summary->insertions += counts.insertions;
  summary->deletions += counts.deletions;
  return absl::OkStatus();
}

absl::Status PatchWriter::WriteSection(const FileSide& old_side, const FileSide& new_side,
                                       FileSummary* summary) {
  const bool added = old_side.mode == kModeAbsent;
  const bool deleted = new_side.mode == kModeAbsent;
  std::string head =
      absl::StrCat("diff --git ", QuoteForGit("a/", path_), " ", QuoteForGit("b/", path_), "\n");
  if (added) {
    head += ModeLine("new file", new_side.mode);
  } else if (deleted) {
    head += ModeLine("deleted file", old_side.mode);
  } else if (old_side.mode != new_side.mode) {
    head += ModeLine("old", old_side.mode) + ModeLine("new", new_side.mode);
  }
  if (old_side.id != new_side.id) {
    absl::StrAppend(&head, "index ", old_side.id, "..", new_side.id);
    if (old_side.mode == new_side.mode) head += absl::StrFormat(" %06o", new_side.mode);
    head += "\n";
  }
  RETURN_IF_ERROR(Put(head));
  // Same bytes, or an empty file that comes or goes: the header says it all.
  if (old_side.id == new_side.id || old_side.size_bytes + new_side.size_bytes == 0) {
    return absl::OkStatus();
  }
  const bool binary =
      old_side.is_binary || new_side.is_binary ||
      CountLines(old_side.content) + CountLines(new_side.content) > limits_.text_lines_max;
  summary->binary = summary->binary || binary;
  return binary ? WriteBinary(old_side, new_side) : WriteText(old_side, new_side, summary);
}

absl::Status PatchWriter::WriteChange(const Change& change) {
  RETURN_IF_ERROR(time_.Check(change.path));
  path_ = change.path;
  const uint32_t mode = change.new_mode == kModeAbsent ? change.old_mode : change.new_mode;
  const bool is_symlink = change.new_mode == kModeSymlink || change.old_mode == kModeSymlink;
  if (!IsBlobMode(mode)) {
    Skip(change, mode == kModeDirectory ? SkipReason::kEmptyDirectory : SkipReason::kSpecialFile);
    return absl::OkStatus();
  }
  if (change.path.size() >= PATH_MAX || RefusedByGit(change.path, is_symlink)) {
    Skip(change, SkipReason::kRefusedByGit);
    return absl::OkStatus();
  }
  std::optional<FileSide> old_side = AbsentSide();
  std::optional<FileSide> new_side = AbsentSide();
  if (change.old_mode != kModeAbsent) {
    if (change.old_layer >= lower_roots_.size()) {
      return absl::InvalidArgumentError("a change names a lower layer that was not given");
    }
    ASSIGN_OR_RETURN(old_side, ReadOrSkip(lower_roots_[change.old_layer].get(), change));
  }
  if (old_side.has_value() && change.new_mode != kModeAbsent) {
    ASSIGN_OR_RETURN(new_side, ReadOrSkip(upper_root_.get(), change));
  }
  if (!old_side.has_value() || !new_side.has_value()) return absl::OkStatus();
  if (old_side->mode == new_side->mode && old_side->id == new_side->id) {
    Skip(change, SkipReason::kChangedMeanwhile);
    return absl::OkStatus();
  }
  FileSummary file{change.path, change.letter, 0, 0, false};
  if (change.old_mode != kModeAbsent && change.new_mode != kModeAbsent &&
      (old_side->mode & S_IFMT) != (new_side->mode & S_IFMT)) {
    // As git does: a change of type is a removal and a creation.
    RETURN_IF_ERROR(WriteSection(*old_side, AbsentSide(), &file));
    RETURN_IF_ERROR(WriteSection(AbsentSide(), *new_side, &file));
  } else {
    RETURN_IF_ERROR(WriteSection(*old_side, *new_side, &file));
  }
  summary_.insertions += file.insertions;
  summary_.deletions += file.deletions;
  summary_.files.push_back(std::move(file));
  return absl::OkStatus();
}

}  // namespace

absl::string_view SkipReasonName(SkipReason reason) {
  switch (reason) {
    case SkipReason::kSpecialFile:
      return "special_file";
    case SkipReason::kEmptyDirectory:
      return "empty_directory";
    case SkipReason::kTooLarge:
      return "too_large";
    case SkipReason::kRefusedByGit:
      return "refused_by_git";
    case SkipReason::kChangedMeanwhile:
      return "changed_meanwhile";
  }
  return "unknown";
}

absl::StatusOr<PatchSummary> WritePatch(const Layers& layers, const std::vector<Change>& changes,
                                        const PatchLimits& limits, const Clock& clock,
                                        PatchSink sink) {
  PatchWriter writer(limits, clock, sink);
  RETURN_IF_ERROR(writer.OpenRoots(layers));
  for (const Change& change : changes) RETURN_IF_ERROR(writer.WriteChange(change));
  return writer.TakeSummary();
}

}  // namespace glovebox
