#include "changes/patch_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "changes/binary_literal.h"
#include "changes/budget.h"
#include "changes/commit_patch.h"
#include "changes/file_side.h"
#include "changes/layer_roots.h"
#include "changes/patch_obstacles.h"
#include "changes/path_quote.h"
#include "changes/text_hunks.h"

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

  absl::Status Begin(const Layers& layers, bool of_commit, const std::vector<Change>& changes) {
    ASSIGN_OR_RETURN(roots_, LayerRoots::Open(layers));
    ASSIGN_OR_RETURN(obstacles_, PatchObstacles::Find(layers, of_commit, changes, limits_));
    return absl::OkStatus();
  }
  absl::Status WriteChange(const Change& change);
  PatchSummary TakeSummary() {
    summary_.output_bytes = output_.used();
    return std::move(summary_);
  }

 private:
  absl::Status Put(absl::string_view bytes);
  void Skip(const Change& change, SkipReason reason);
  bool SkipWithoutForm(const Change& change);
  absl::StatusOr<bool> SkipNewSide(const Change& change);
  absl::StatusOr<std::optional<FileSide>> ReadOrSkip(int root_fd, const std::string& path,
                                                     const Change& change);
  absl::Status WriteSides(const Change& change, const FileSide& old_side, const FileSide& new_side);
  std::string Head(const FileSide& old_side, const FileSide& new_side) const;
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
  LayerRoots roots_;
  PatchObstacles obstacles_;
  std::string path_;         // of the change at hand
  std::string old_path_;     // the same, but of a rename
  uint32_t similarity_ = 0;  // of a rename
  PatchSummary summary_;
};

absl::Status PatchWriter::Put(absl::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(output_.Take(bytes.size(), path_));
  return sink_(bytes);
}

void PatchWriter::Skip(const Change& change, SkipReason reason) {
  const uint64_t size = std::max(change.old_size_bytes, change.new_size_bytes);
  summary_.skipped.push_back({change.path, reason, reason == SkipReason::kTooLarge ? size : 0});
}

absl::StatusOr<std::optional<FileSide>> PatchWriter::ReadOrSkip(int root_fd,
                                                                const std::string& path,
                                                                const Change& change) {
  absl::StatusOr<FileSide> side = absl::NotFoundError("");
  if (root_fd >= 0) side = ReadSide(root_fd, path, limits_, time_);
  if (side.ok()) return std::optional<FileSide>(*std::move(side));
  const auto detail = GetErrorDetail(side.status());
  const std::string reason = detail.has_value() ? detail->reason : "";
  if (reason == "FILE_TOO_LARGE") {
    Skip(change, SkipReason::kTooLarge);
  } else if (IsEntryGone(side.status())) {
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
  RETURN_IF_ERROR(Put(NameLine("---", "a/", old_path_, old_side.mode != kModeAbsent)));
  RETURN_IF_ERROR(Put(NameLine("+++", "b/", path_, new_side.mode != kModeAbsent)));
  ASSIGN_OR_RETURN(const LineCounts counts,
                   differ_.WriteHunks(old_side.content, new_side.content, limits_.context_lines,
                                      [this](absl::string_view bytes) { return Put(bytes); }));
  summary->insertions += counts.insertions;
  summary->deletions += counts.deletions;
  return absl::OkStatus();
}

// What comes before the names and hunks.
std::string PatchWriter::Head(const FileSide& old_side, const FileSide& new_side) const {
  std::string head = absl::StrCat("diff --git ", QuoteForGit("a/", old_path_), " ",
                                  QuoteForGit("b/", path_), "\n");
  if (old_side.mode == kModeAbsent) {
    head += ModeLine("new file", new_side.mode);
  } else if (new_side.mode == kModeAbsent) {
    head += ModeLine("deleted file", old_side.mode);
  } else if (old_side.mode != new_side.mode) {
    head += ModeLine("old", old_side.mode) + ModeLine("new", new_side.mode);
  }
  if (old_path_ != path_) {
    // Only the same bytes are 100 % alike; the file may have changed since the rename was found.
    const uint32_t alike = old_side.id == new_side.id ? 100 : std::min(similarity_, 99u);
    absl::StrAppend(&head, "similarity index ", alike, "%\nrename from ",
                    QuoteForGit("", old_path_), "\nrename to ", QuoteForGit("", path_), "\n");
  }
  if (old_side.id != new_side.id) {
    absl::StrAppend(&head, "index ", old_side.id, "..", new_side.id);
    if (old_side.mode == new_side.mode) head += absl::StrFormat(" %06o", new_side.mode);
    head += "\n";
  }
  return head;
}

absl::Status PatchWriter::WriteSection(const FileSide& old_side, const FileSide& new_side,
                                       FileSummary* summary) {
  RETURN_IF_ERROR(Put(Head(old_side, new_side)));
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

bool PatchWriter::SkipWithoutForm(const Change& change) {
  const uint32_t mode = change.new_mode == kModeAbsent ? change.old_mode : change.new_mode;
  const bool is_symlink = change.new_mode == kModeSymlink || change.old_mode == kModeSymlink;
  if (!IsBlobMode(mode)) {
    Skip(change, mode == kModeDirectory ? SkipReason::kEmptyDirectory : SkipReason::kSpecialFile);
    return true;
  }
  if (!HasRefusedName(old_path_, is_symlink)) return false;
  Skip(change, SkipReason::kRefusedByGit);
  return true;
}

absl::StatusOr<bool> PatchWriter::SkipNewSide(const Change& change) {
  if (HasRefusedName(path_, change.new_mode == kModeSymlink)) {
    Skip(change, SkipReason::kRefusedByGit);
    return true;
  }
  ASSIGN_OR_RETURN(std::optional<SkippedEntry> skipped, obstacles_.Against(change, time_));
  if (!skipped.has_value()) return false;
  summary_.skipped.push_back(*std::move(skipped));
  return true;
}

absl::Status PatchWriter::WriteSides(const Change& change, const FileSide& old_side,
                                     const FileSide& new_side) {
  const bool moved = old_path_ != path_;
  if (!moved && old_side.mode == new_side.mode && old_side.id == new_side.id) {
    Skip(change, SkipReason::kChangedMeanwhile);
    return absl::OkStatus();
  }
  FileSummary file{change.path, change.letter, 0, 0, false};
  const bool both = old_side.mode != kModeAbsent && new_side.mode != kModeAbsent;
  if ((both && (old_side.mode & S_IFMT) != (new_side.mode & S_IFMT)) ||
      (moved && (new_side.mode == kModeAbsent || old_side.mode == kModeSymlink))) {
    // As git does: a change of type is a removal and a creation. Of a moved file that is gone again
    // nothing but the removal is left. Of a link that moved without a change a patch does not say
    // that it was one, and then git apply finds what took its place to be "beyond a symbolic link".
    const std::string path = std::exchange(path_, old_path_);
    RETURN_IF_ERROR(WriteSection(old_side, AbsentSide(), &file));
    old_path_ = path_ = path;
    if (both) RETURN_IF_ERROR(WriteSection(AbsentSide(), new_side, &file));
  } else {
    RETURN_IF_ERROR(WriteSection(old_side, new_side, &file));
  }
  summary_.insertions += file.insertions;
  summary_.deletions += file.deletions;
  summary_.files.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status PatchWriter::WriteChange(const Change& change) {
  RETURN_IF_ERROR(time_.Check(change.path));
  const bool moved = change.letter == ChangeLetter::kRenamed;
  path_ = change.path;
  old_path_ = moved ? change.old_path : change.path;
  similarity_ = change.similarity;
  if (SkipWithoutForm(change)) return absl::OkStatus();
  bool takes_new = change.new_mode != kModeAbsent;
  if (takes_new) {
    ASSIGN_OR_RETURN(const bool skipped, SkipNewSide(change));
    if (skipped && !moved) return absl::OkStatus();
    takes_new = !skipped;
  }
  std::optional<FileSide> old_side = AbsentSide();
  std::optional<FileSide> new_side = AbsentSide();
  if (change.old_mode != kModeAbsent) {
    ASSIGN_OR_RETURN(const int root_fd, roots_.OldRoot(change));
    ASSIGN_OR_RETURN(old_side, ReadOrSkip(root_fd, old_path_, change));
  }
  if (old_side.has_value() && takes_new) {
    ASSIGN_OR_RETURN(new_side, ReadOrSkip(roots_.upper.get(), path_, change));
    if (moved && !new_side.has_value()) new_side = AbsentSide();
  }
  if (!old_side.has_value() || !new_side.has_value()) return absl::OkStatus();
  return WriteSides(change, *old_side, *new_side);
}

absl::StatusOr<PatchSummary> WriteAny(const Layers& layers, bool of_commit,
                                      const std::vector<Change>& changes, const PatchLimits& limits,
                                      const Clock& clock, PatchSink sink) {
  PatchWriter writer(limits, clock, sink);
  RETURN_IF_ERROR(writer.Begin(layers, of_commit, changes));
  for (const Change& change : changes) RETURN_IF_ERROR(writer.WriteChange(change));
  return writer.TakeSummary();
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
  return WriteAny(layers, false, changes, limits, clock, sink);
}

absl::StatusOr<PatchSummary> WriteCommitPatch(const Layers& layers,
                                              const std::vector<Change>& changes,
                                              const PatchLimits& limits, const Clock& clock,
                                              PatchSink sink) {
  return WriteAny(layers, true, changes, limits, clock, sink);
}

}  // namespace glovebox
