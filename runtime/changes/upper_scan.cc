#include "changes/upper_scan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/relative_path.h"
#include "base/status.h"
#include "changes/budget.h"
#include "changes/entry_compare.h"
#include "changes/layer_view.h"
#include "changes/scan_stack.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

using Kind = LayerView::Entry::Kind;

// How often one name is looked at again when it changes between two system calls.
constexpr int kTriesMax = 64;

absl::Status RootError(absl::StatusCode code, absl::string_view reason, absl::string_view root) {
  return DetailedError(code,
                       absl::StrCat("root of the walk \"", EscapeForPeople(root), "\": ", reason),
                       {std::string(reason), {}});
}

class UpperScanner {
 public:
  UpperScanner(const ScanOptions& options, const Clock& clock)
      : options_(options), clock_(clock), budget_(options.limits, clock), stack_(budget_) {}

  absl::StatusOr<ScanResult> Scan(const Layers& layers);

 private:
  absl::Status VisitName(const std::string& name);
  absl::Status VisitOnce(const std::string& name);
  absl::Status VisitPresent(const std::string& name, const struct stat& stat, LayerView::Entry old);
  absl::Status VisitDirectory(const std::string& name, LayerView::Entry old);
  absl::Status VisitPair(const std::string& name, const struct stat& stat,
                         const LayerView::Entry& old);
  absl::StatusOr<bool> DiffersFromOld(const std::string& name, const struct stat& stat,
                                      const LayerView::Entry* old);
  absl::Status Emit(const std::string& name, std::optional<EntryFacts> old_side, uint32_t old_layer,
                    std::optional<EntryFacts> new_side, ChangeLetter letter);
  absl::Status EmitDeleted(const std::string& name, const LayerView::Entry& old);
  absl::Status FinishTop();

  const ScanOptions& options_;
  const Clock& clock_;
  ScanBudget budget_;
  uint64_t bytes_hashed_ = 0;
  ScanStack stack_;
  ScanResult result_;
};

absl::Status UpperScanner::Emit(const std::string& name, std::optional<EntryFacts> old_side,
                                uint32_t old_layer, std::optional<EntryFacts> new_side,
                                ChangeLetter letter) {
  Change change;
  change.path = stack_.PathOf(name);
  change.letter = letter;
  if (old_side.has_value()) {
    change.old_mode = old_side->mode;
    change.old_size_bytes = old_side->size_bytes;
    change.old_layer = old_layer;
  }
  if (new_side.has_value()) {
    change.new_mode = new_side->mode;
    change.new_size_bytes = new_side->size_bytes;
    change.symlink_target = std::move(new_side->symlink_target);
  }
  RETURN_IF_ERROR(budget_.memory.Take(
      sizeof(Change) + change.path.size() + change.symlink_target.size(), change.path));
  result_.changes.push_back(std::move(change));
  return absl::OkStatus();
}

absl::Status UpperScanner::EmitDeleted(const std::string& name, const LayerView::Entry& old) {
  return Emit(name, FactsOf(old.stat), old.layer, std::nullopt, ChangeLetter::kDeleted);
}

// Whether a regular file of the upper has other bytes than the one below it; true when `old` is
// null: then there is nothing to compare, and it is only looked at for the book.
absl::StatusOr<bool> UpperScanner::DiffersFromOld(const std::string& name, const struct stat& stat,
                                                  const LayerView::Entry* old) {
  ContentBook* const book = options_.contents;
  if (book == nullptr && old == nullptr) return true;
  const std::string path = stack_.PathOf(name);
  Content content;
  if (book != nullptr) {
    const Content* known = book->Find(path, FingerprintOf(stat));
    if (known != nullptr && (old == nullptr || known->same_as_base.has_value())) {
      content = *known;
      book->Put(path, content);
      return old == nullptr || !*content.same_as_base;
    }
  }
  ASSIGN_OR_RETURN(const OpenedFile file, OpenRegularBeneath(stack_.top().upper.get(), name));
  RETURN_IF_ERROR(RefuseMetacopy(file.fd.get()));
  if (book != nullptr) content = BeginContent(file, clock_.Now());
  bool differs = true;
  if (old != nullptr) {
    ASSIGN_OR_RETURN(const bool same, SameContent(old->dir_fd, name, file, budget_, path));
    differs = !same;
  }
  if (book == nullptr) return differs;
  content.same_as_base = old != nullptr && !differs;
  if (differs && bytes_hashed_ + content.fingerprint.size_bytes <= options_.hash_bytes_max) {
    RETURN_IF_ERROR(HashContent(file, &content, &bytes_hashed_));
  }
  FinishContent(file, &content);
  // Mode and size are told as of `stat`: the next look has to see what came after.
  if (content.fingerprint != FingerprintOf(stat)) content.settled = false;
  book->Put(path, content);
  return differs;
}

// Neither side is a directory.
absl::Status UpperScanner::VisitPair(const std::string& name, const struct stat& stat,
                                     const LayerView::Entry& old) {
  const int upper_fd = stack_.top().upper.get();
  ASSIGN_OR_RETURN(EntryFacts new_side, ReadFacts(upper_fd, name, stat));
  const bool is_regular = IsRegularMode(new_side.mode);
  if (old.kind == Kind::kAbsent) {
    if (is_regular) RETURN_IF_ERROR(DiffersFromOld(name, stat, nullptr).status());
    return Emit(name, std::nullopt, 0, std::move(new_side), ChangeLetter::kAdded);
  }
  ASSIGN_OR_RETURN(EntryFacts old_side, ReadFacts(old.dir_fd, name, old.stat));
  const bool comparable = is_regular && old_side == new_side;
  bool same = old_side == new_side;
  if (is_regular) {
    ASSIGN_OR_RETURN(const bool differs, DiffersFromOld(name, stat, comparable ? &old : nullptr));
    same = same && !differs;
  }
  const bool both_blobs = !IsSpecialMode(new_side.mode) && !IsSpecialMode(old_side.mode);
  if ((stat.st_mode & S_IFMT) != (old.stat.st_mode & S_IFMT)) {
    if (both_blobs) {
      return Emit(name, std::move(old_side), old.layer, std::move(new_side),
                  ChangeLetter::kTypeChanged);
    }
    RETURN_IF_ERROR(EmitDeleted(name, old));
    return Emit(name, std::nullopt, 0, std::move(new_side), ChangeLetter::kAdded);
  }
  if (same) return absl::OkStatus();
  return Emit(name, std::move(old_side), old.layer, std::move(new_side), ChangeLetter::kModified);
}

absl::Status UpperScanner::VisitDirectory(const std::string& name, LayerView::Entry old) {
  ScanFrame& top = stack_.top();
  ASSIGN_OR_RETURN(OpenedFile dir, OpenDirectoryBeneath(top.upper.get(), name));
  ASSIGN_OR_RETURN(const bool opaque, IsOpaque(dir.fd.get()));
  ScanFrame frame;
  frame.name = name;
  frame.has_upper = true;
  // What lies below an opaque directory hides its lowers too, marked or not.
  frame.hides_lowers = top.hides_lowers || opaque;
  frame.has_old = old.kind == Kind::kDirectory;
  frame.device = dir.stat.st_dev;
  frame.inode = dir.stat.st_ino;
  frame.upper = std::move(dir.fd);
  frame.old = LayerView(std::move(old.parts));
  if (old.kind == Kind::kOther) RETURN_IF_ERROR(EmitDeleted(name, old));
  return stack_.Push(std::move(frame));
}

absl::Status UpperScanner::VisitPresent(const std::string& name, const struct stat& stat,
                                        LayerView::Entry old) {
  if (S_ISDIR(stat.st_mode)) return VisitDirectory(name, std::move(old));
  if (old.kind != Kind::kDirectory) return VisitPair(name, stat, old);
  ASSIGN_OR_RETURN(EntryFacts new_side, ReadFacts(stack_.top().upper.get(), name, stat));
  if (S_ISREG(stat.st_mode)) RETURN_IF_ERROR(DiffersFromOld(name, stat, nullptr).status());
  RETURN_IF_ERROR(Emit(name, std::nullopt, 0, std::move(new_side), ChangeLetter::kAdded));
  return stack_.PushDeleted(name, std::move(old.parts));
}

absl::Status UpperScanner::VisitOnce(const std::string& name) {
  const ScanFrame& top = stack_.top();
  bool present = false;
  bool gone = top.hides_lowers || !top.has_upper;
  struct stat stat {};
  if (top.has_upper) {
    ASSIGN_OR_RETURN(const bool found, StatEntry(top.upper.get(), name, &stat));
    if (found) {
      ASSIGN_OR_RETURN(gone, IsWhiteout(top.upper.get(), name, stat));
      present = !gone;
    }
  }
  if (!present && !gone) return absl::OkStatus();  // vanished since its directory was read
  ASSIGN_OR_RETURN(LayerView::Entry old, top.old.Lookup(name));
  if (present || (!top.has_upper && old.kind != Kind::kAbsent)) stack_.top().is_empty = false;
  if (present) return VisitPresent(name, stat, std::move(old));
  if (old.kind == Kind::kOther) return EmitDeleted(name, old);
  if (old.kind == Kind::kDirectory) return stack_.PushDeleted(name, std::move(old.parts));
  return absl::OkStatus();
}

absl::Status UpperScanner::VisitName(const std::string& name) {
  RETURN_IF_ERROR(budget_.time.Check(name));
  // Every step reads before it emits or pushes, so a step that met a race can simply be repeated.
  for (int tries = 0; tries < kTriesMax; ++tries) {
    absl::Status status = VisitOnce(name);
    if (!IsRace(status)) return status;
  }
  return ChangedDuringScan(stack_.PathOf(name));
}

// The exception that directories are listed for: see change.h.
absl::Status UpperScanner::FinishTop() {
  ScanFrame frame = stack_.Pop();
  if (stack_.empty() || !frame.is_empty) return absl::OkStatus();
  const EntryFacts directory{kModeDirectory, 0, {}};
  if (!frame.has_upper) {
    return Emit(frame.name, directory, 0, std::nullopt, ChangeLetter::kDeleted);
  }
  if (frame.has_old) return absl::OkStatus();
  return Emit(frame.name, std::nullopt, 0, directory, ChangeLetter::kAdded);
}

std::vector<std::string> Components(const std::string& path) {
  return absl::StrSplit(path, '/', absl::SkipEmpty());
}

// Finds the root of the walk in the upper and in the lowers; false when the upper does not touch
// it.
absl::StatusOr<bool> FindRoot(const Layers& layers, ScanFrame* frame) {
  ASSIGN_OR_RETURN(OpenedFile upper, OpenDirectoryBeneath(layers.upper_fd, "."));
  ASSIGN_OR_RETURN(frame->old, LayerView::OfRoots(layers.lower_fds));
  ASSIGN_OR_RETURN(frame->hides_lowers, IsOpaque(upper.fd.get()));
  bool in_upper = true;
  bool untouched = false;
  bool in_old = true;
  if (!layers.root.empty()) RETURN_IF_ERROR(RelativePath::Parse(layers.root).status());
  for (const std::string& name : Components(layers.root)) {
    ASSIGN_OR_RETURN(LayerView::Entry old, frame->old.Lookup(name));
    bool blocked = old.kind == Kind::kOther;
    in_old = old.kind == Kind::kDirectory;
    frame->old = LayerView(std::move(old.parts));
    if (in_upper) {
      struct stat stat {};
      ASSIGN_OR_RETURN(const bool found, StatEntry(upper.fd.get(), name, &stat));
      ASSIGN_OR_RETURN(const bool whiteout, found ? IsWhiteout(upper.fd.get(), name, stat)
                                                  : absl::StatusOr<bool>(false));
      in_upper = found && !whiteout;
      untouched = !found && !frame->hides_lowers;
      if (in_upper && !S_ISDIR(stat.st_mode)) {
        blocked = true;
      } else if (in_upper) {
        ASSIGN_OR_RETURN(OpenedFile next, OpenDirectoryBeneath(upper.fd.get(), name));
        upper = std::move(next);
        ASSIGN_OR_RETURN(const bool opaque, IsOpaque(upper.fd.get()));
        frame->hides_lowers = frame->hides_lowers || opaque;
      }
    }
    if (blocked) {
      return RootError(absl::StatusCode::kFailedPrecondition, "ROOT_NOT_A_DIRECTORY", layers.root);
    }
  }
  if (!in_upper && !in_old) {
    return RootError(absl::StatusCode::kNotFound, "ROOT_NOT_FOUND", layers.root);
  }
  frame->has_upper = in_upper;
  frame->has_old = in_old;
  frame->device = upper.stat.st_dev;
  frame->inode = upper.stat.st_ino;
  if (in_upper) frame->upper = std::move(upper.fd);
  return !untouched;
}

absl::StatusOr<ScanResult> UpperScanner::Scan(const Layers& layers) {
  ScanFrame root;
  ASSIGN_OR_RETURN(const bool touched, FindRoot(layers, &root));
  if (!touched) return std::move(result_);
  RETURN_IF_ERROR(stack_.Push(std::move(root)));
  while (!stack_.empty()) {
    ScanFrame& top = stack_.top();
    if (top.next == top.names.size()) {
      RETURN_IF_ERROR(FinishTop());
      continue;
    }
    RETURN_IF_ERROR(stack_.OpenTop());
    const std::string name = std::move(top.names[top.next++]);
    if (stack_.depth() == 1 && options_.exclude_root_git && name == ".git") continue;
    RETURN_IF_ERROR(VisitName(name));
  }
  std::sort(result_.changes.begin(), result_.changes.end(), [](const Change& a, const Change& b) {
    const int order = a.path.compare(b.path);
    return order != 0 ? order < 0
                      : a.letter == ChangeLetter::kDeleted && b.letter != ChangeLetter::kDeleted;
  });
  result_.entries_read = budget_.entries.used();
  result_.bytes_compared = budget_.compare.used();
  return std::move(result_);
}

}  // namespace

absl::StatusOr<ScanResult> ScanUpper(const Layers& layers, const ScanOptions& options,
                                     const Clock& clock) {
  return UpperScanner(options, clock).Scan(layers);
}

}  // namespace glovebox
