#include "patch/patch_plan.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "patch/binary_patch.h"

namespace glovebox {
namespace {

constexpr size_t kShownBytesMax = 300;
constexpr size_t kShownPathBytesMax = 500;
constexpr uint32_t kTypeMask = 0170000, kLinkType = 0120000;
constexpr uint32_t kExecuteBits = 0111, kReadBits = 0444;

using Kind = PatchedEntry::Kind;

absl::Status DoesNotApply(absl::string_view path, absl::string_view why) {
  const std::string shown = EscapeForPeople(path, kShownPathBytesMax);
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("the patch does not apply: ", shown, " ", why),
                       {"PATCH_DOES_NOT_APPLY", {{"path", shown}}});
}

absl::Status DoesNotFit(const HunkReport& report) {
  const std::string shown = EscapeForPeople(report.path, kShownPathBytesMax);
  std::string message = absl::StrCat("the patch does not apply: hunk ", report.hunk, " of ", shown,
                                     " (line ", report.patch_line, " of the patch) does not fit");
  ErrorDetail detail{"PATCH_DOES_NOT_APPLY",
                     {{"path", shown},
                      {"hunk", absl::StrCat(report.hunk)},
                      {"patch_line", absl::StrCat(report.patch_line)}}};
  absl::StrAppend(&message, "; it expects \"", EscapeForPeople(report.expected, kShownBytesMax),
                  "\"");
  if (report.line > 0) {
    detail.metadata["line"] = absl::StrCat(report.line);
    absl::StrAppend(&message, ", the nearest match, at line ", report.line, ", is \"",
                    EscapeForPeople(report.found, kShownBytesMax), "\"");
  } else {
    absl::StrAppend(&message, ", of which the file has nothing");
  }
  return DetailedError(absl::StatusCode::kFailedPrecondition, message, detail);
}

// A path while the patch is worked through. Renames and copies are of what was there in the
// beginning, whatever order the files of the patch are in; other changes follow one another.
struct Node {
  std::optional<PatchedEntry> original;
  std::string behind_link;  // the link that is above it
  std::optional<PatchedEntry> current;
  bool gone = false;                 // what was there is deleted or moved away
  std::optional<PatchedEntry> made;  // what was put there
  std::string renamed_from;
};

class Planner {
 public:
  Planner(TreeView* tree, const PlanOptions& options) : tree_(tree), options_(options) {}

  absl::StatusOr<PatchPlan> Plan(const std::vector<FilePatch>& patch) {
    size_t hunks = 0;
    for (const FilePatch& file : patch) {
      hunks += file.hunks.size();
      const bool frees = file.action == FileAction::kDelete || file.action == FileAction::kRename;
      if (frees && !file.agent) to_be_freed_.insert(file.old_path);
    }
    if (hunks > kPatchHunksMax) return PatchLimit("too many hunks", kPatchHunksMax);
    for (const FilePatch& file : patch) {
      RETURN_IF_ERROR(Take(file));
      if (bytes_ > kPatchedBytesMax) {
        return PatchLimit("what the patch makes is too large", kPatchedBytesMax);
      }
    }
    return Finish();
  }

 private:
  absl::StatusOr<Node*> Find(const std::string& path) {
    if (auto it = nodes_.find(path); it != nodes_.end()) return &it->second;
    Node node;
    absl::StatusOr<std::optional<PatchedEntry>> entry = tree_->Read(path);
    if (!entry.ok()) {
      const std::optional<ErrorDetail> detail = GetErrorDetail(entry.status());
      if (!detail.has_value() || detail->reason != "PATH_NOT_BENEATH") return entry.status();
      node.behind_link = detail->metadata.at("link");
    } else {
      node.original = node.current = *std::move(entry);
    }
    bytes_ += node.original.has_value() ? node.original->content.size() : 0;
    return &nodes_.emplace(path, std::move(node)).first->second;
  }

  static absl::Status BehindLink(absl::string_view path, absl::string_view link) {
    const std::string shown = EscapeForPeople(path, kShownPathBytesMax);
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat(shown, " is behind the symbolic link ",
                     EscapeForPeople(link, kShownPathBytesMax), ", through which no patch goes"),
        {"PATH_INVALID", {{"path", shown}}});
  }

  // What a change of `path` is of; null: it cannot be (the misfits are in the reports).
  absl::StatusOr<const PatchedEntry*> Preimage(const FilePatch& file, const Node& node) {
    const bool of_original = file.action == FileAction::kRename || file.action == FileAction::kCopy;
    const PatchedEntry* entry = nullptr;
    if (!of_original || file.agent) {
      if (node.made.has_value()) entry = &*node.made;
      if (entry == nullptr && !node.gone && node.current.has_value()) entry = &*node.current;
    } else if (node.original.has_value()) {
      entry = &*node.original;
    }
    if (entry == nullptr) {
      if (!node.behind_link.empty()) return BehindLink(file.old_path, node.behind_link);
      if (!options_.reports_misfits || file.hunks.empty()) {
        return DoesNotApply(file.old_path, "is not there");
      }
      ReportAllMissing(file, &plan_.hunks);
      return nullptr;
    }
    const bool wants_link = file.old_mode.has_value() && (*file.old_mode & kTypeMask) == kLinkType;
    // A rename of 100 % says nothing of the type.
    const bool any = !file.old_mode.has_value() && file.hunks.empty() && !file.binary.has_value();
    const bool link = wants_link || (any && entry->kind == Kind::kLink);
    const bool fits = entry->kind == (link ? Kind::kLink : Kind::kFile);
    if (!fits) {
      return DoesNotApply(file.old_path, wants_link ? "is no symbolic link" : "is no regular file");
    }
    return entry;
  }

  // The new content; nullopt: not all hunks fit, as the reports say.
  absl::StatusOr<std::optional<std::string>> NewContent(const FilePatch& file,
                                                        absl::string_view old) {
    if (file.binary.has_value()) {
      ASSIGN_OR_RETURN(std::string content, BinaryContent(file, old));
      return std::optional<std::string>(std::move(content));
    }
    const size_t first = plan_.hunks.size();
    std::optional<std::string> content =
        ApplyHunks(old, file, options_.fuzz_lines_max, &plan_.hunks);
    if (content.has_value() || options_.reports_misfits) return content;
    for (size_t i = first; i < plan_.hunks.size(); ++i) {
      if (!plan_.hunks[i].applied) return DoesNotFit(plan_.hunks[i]);
    }
    return absl::InternalError("a hunk did not fit and none says so");
  }

  static absl::StatusOr<std::string> BinaryContent(const FilePatch& file, absl::string_view old) {
    const std::string& path = file.old_path.empty() ? file.new_path : file.old_path;
    const BinaryHunk& binary = *file.binary;
    if (!old.empty() || !file.old_path.empty()) {
      if (BlobNameOf(old) != binary.old_id) {
        return DoesNotApply(path, "has another content than the binary patch is of");
      }
    }
    std::string content = binary.bytes;
    if (binary.is_delta) {
      absl::StatusOr<std::string> made = ApplyDelta(old, binary.bytes);
      if (!made.ok()) return MalformedPatch(file.patch_line, made.status().message());
      content = *std::move(made);
    }
    if (file.action != FileAction::kDelete && BlobNameOf(content) != binary.new_id) {
      return MalformedPatch(file.patch_line, "the binary data are not what the index line says");
    }
    return content;
  }

  static PatchedEntry MadeOf(const FilePatch& file, const PatchedEntry* old, std::string content) {
    PatchedEntry entry;
    if (old != nullptr) {
      entry.kind = old->kind;
      entry.mode = old->mode;
    }
    entry.content = std::move(content);
    if (!file.new_mode.has_value()) return entry;
    if ((*file.new_mode & kTypeMask) == kLinkType) {
      entry.kind = Kind::kLink;
      entry.mode = 0777;
      return entry;
    }
    if (entry.kind == Kind::kLink) entry.mode = 0644;
    entry.kind = Kind::kFile;
    // git knows executable or not; all other bits stay.
    const bool executable = (*file.new_mode & kExecuteBits) != 0;
    if (executable == ((entry.mode & kExecuteBits) != 0)) return entry;
    entry.mode =
        executable ? entry.mode | ((entry.mode & kReadBits) >> 2) : entry.mode & ~kExecuteBits;
    return entry;
  }

  absl::Status Put(const FilePatch& file, PatchedEntry entry) {
    ASSIGN_OR_RETURN(Node* const node, Find(file.new_path));
    const bool there = node->made.has_value() || (node->current.has_value() && !node->gone &&
                                                  node->current->kind != Kind::kDirectory &&
                                                  !to_be_freed_.contains(file.new_path));
    if (there) return DoesNotApply(file.new_path, "is there already");
    if (entry.kind == Kind::kLink && (entry.content.empty() || entry.content.size() > 4095 ||
                                      entry.content.find('\0') != std::string::npos)) {
      return DoesNotApply(file.new_path, "would be a symbolic link with an impossible target");
    }
    bytes_ += entry.content.size();
    node->made = std::move(entry);
    if (file.action == FileAction::kRename) node->renamed_from = file.old_path;
    return absl::OkStatus();
  }

  absl::Status Create(const FilePatch& file) {
    ASSIGN_OR_RETURN(std::optional<std::string> content, NewContent(file, ""));
    return content.has_value() ? Put(file, MadeOf(file, nullptr, *std::move(content)))
                               : absl::OkStatus();
  }

  absl::Status Take(const FilePatch& file) {
    if (file.action == FileAction::kCreate) return Create(file);
    ASSIGN_OR_RETURN(Node* const node, Find(file.old_path));
    if (file.may_be_missing && !FinalOf(*node).has_value()) {
      FilePatch made = file;
      made.action = FileAction::kCreate;
      made.old_path.clear();
      return Create(made);
    }
    ASSIGN_OR_RETURN(const PatchedEntry* const old, Preimage(file, *node));
    if (old == nullptr) return absl::OkStatus();
    std::optional<std::string> content = old->content;
    if (file.binary.has_value() || !file.hunks.empty()) {
      ASSIGN_OR_RETURN(content, NewContent(file, old->content));
    }
    if (!content.has_value()) return absl::OkStatus();
    if (content->size() > kPatchedFileBytesMax) {
      return PatchLimit(
          absl::StrCat("the file ", EscapeForPeople(file.new_path, kShownPathBytesMax),
                       " would be too large"),
          kPatchedFileBytesMax);
    }
    return Change(file, node, *old, *std::move(content));
  }

  absl::Status Change(const FilePatch& file, Node* node, const PatchedEntry& old,
                      std::string content) {
    PatchedEntry entry = MadeOf(file, &old, std::move(content));  // before `old` goes
    switch (file.action) {
      case FileAction::kDelete:
        // Without a hunk it deletes an empty file; a binary one was compared by its name.
        if (!file.agent && !file.binary.has_value() && !entry.content.empty()) {
          return DoesNotApply(file.old_path, "has more content than the patch deletes");
        }
        Free(node, file.agent);
        return absl::OkStatus();
      case FileAction::kRename:
        if (file.agent && file.old_path == file.new_path) break;
        Free(node, file.agent);
        return Put(file, std::move(entry));
      case FileAction::kCopy:
        return Put(file, std::move(entry));
      case FileAction::kModify:
      case FileAction::kCreate:
        break;
    }
    bytes_ += entry.content.size();
    (node->made.has_value() ? node->made : node->current) = std::move(entry);
    return absl::OkStatus();
  }

  static void Free(Node* node, bool agent) {
    node->gone = true;
    if (agent) node->made.reset();
  }

  static std::optional<PatchedEntry> FinalOf(const Node& node) {
    if (node.made.has_value()) return node.made;
    return node.gone ? std::nullopt : node.current;
  }

  // No file or link is to be above another path of the patch, and no link of the tree may stay
  // there.
  absl::Status CheckAbove(const std::string& path, const Node& node) const {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const auto above = nodes_.find(path.substr(0, slash));
      if (above == nodes_.end()) continue;
      const std::optional<PatchedEntry> entry = FinalOf(above->second);
      if (!entry.has_value() || entry->kind == Kind::kDirectory) continue;
      if (entry->kind == Kind::kLink) return BehindLink(path, above->first);
      return DoesNotApply(path, "would be below a file");
    }
    if (node.behind_link.empty()) return absl::OkStatus();
    const auto link = nodes_.find(node.behind_link);
    if (link != nodes_.end() && !FinalOf(link->second).has_value()) return absl::OkStatus();
    return BehindLink(path, node.behind_link);
  }

  absl::StatusOr<PatchPlan> Finish() {
    for (auto& [path, node] : nodes_) {
      std::optional<PatchedEntry> after = FinalOf(node);
      if (after.has_value() && after != node.original) RETURN_IF_ERROR(CheckAbove(path, node));
      // A directory whose files all go makes room by itself.
      if (node.original.has_value() && node.original->kind == Kind::kDirectory) {
        node.original.reset();
      }
      if (after.has_value() && after->kind == Kind::kDirectory) continue;
      if (after == node.original) continue;
      plan_.changes.push_back(
          {path, std::move(node.original), std::move(after), std::move(node.renamed_from)});
    }
    return std::move(plan_);
  }

  TreeView* const tree_;
  const PlanOptions options_;
  std::set<std::string> to_be_freed_;
  std::map<std::string, Node> nodes_;
  uint64_t bytes_ = 0;
  PatchPlan plan_;
};

}  // namespace

absl::StatusOr<PatchPlan> PlanPatch(const std::vector<FilePatch>& patch, TreeView* tree,
                                    const PlanOptions& options) {
  return Planner(tree, options).Plan(patch);
}

}  // namespace glovebox
