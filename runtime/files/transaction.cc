#include "files/transaction.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/relative_path.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "files/remove_tree.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kJournal[] = "journal";
constexpr char kNewJournal[] = "journal.new";
constexpr size_t kJournalBytesMax = size_t{256} << 20;
constexpr size_t kJournalPieceBytes = 64 * 1024;
constexpr uint32_t kStepField = 1;
constexpr uint32_t kKindField = 1, kPathField = 2, kModeField = 3, kInodeField = 4, kSizeField = 5,
                   kSecondsField = 6, kNanosecondsField = 7;

std::string LastOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}
std::string NewName(size_t index) { return absl::StrCat(index, ".new"); }
std::string OldName(size_t index) { return absl::StrCat(index, ".old"); }

uint64_t InodeAt(int directory, const std::string& name) {
  struct stat stat {};
  if (::fstatat(directory, name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return stat.st_ino;
}

// Directories come after what is in them is deleted, and before what is made in them.
int OrderOf(StepKind kind) { return static_cast<int>(kind); }

bool StepBefore(const Step& a, const Step& b) {
  if (OrderOf(a.kind) != OrderOf(b.kind)) return OrderOf(a.kind) < OrderOf(b.kind);
  if (a.kind == StepKind::kRemoveDirectory) return b.path < a.path;  // the deeper one first
  return a.path < b.path;
}

bool DecodeStep(absl::string_view message, Step* step) {
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == kKindField) step->kind = static_cast<StepKind>(field.value);
    if (field.number == kPathField) step->path = std::string(field.bytes);
    if (field.number == kModeField) step->mode = static_cast<uint32_t>(field.value) & 07777;
    if (field.number == kInodeField) step->staged_inode = field.value;
    if (field.number == kSizeField) step->staged_size = field.value;
    if (field.number == kSecondsField) step->staged_seconds = field.value;
    if (field.number == kNanosecondsField) step->staged_nanoseconds = field.value;
  }
  return !reader.malformed() && step->kind >= StepKind::kDelete &&
         step->kind <= StepKind::kReplace && RelativePath::Parse(step->path).ok();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenParentBeneath(int top, const std::string& path) {
  const std::string parent = ParentOf(path);
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = 0;
  do {
    fd = ::syscall(SYS_openat2, top, parent.empty() ? "." : parent.c_str(), &how, sizeof(how));
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  if (fd < 0) return PathError(errno, "open the directory of", path);
  return UniqueFd(static_cast<int>(fd));
}

absl::Status Transaction::OpenStaging(bool make) {
  if (make && ::mkdirat(top_, name_.c_str(), 0700) != 0) {
    return PathError(errno, "make a directory for the patch,", name_);
  }
  staging_.Reset(::openat(top_, name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!staging_.valid()) return PathError(errno, "open", name_);
  return absl::OkStatus();
}

absl::Status Transaction::StageEntry(const PatchedEntry& entry, const std::string& name,
                                     const std::string& path) const {
  if (entry.kind == PatchedEntry::Kind::kLink) {
    if (::symlinkat(entry.content.c_str(), staging_.get(), name.c_str()) != 0) {
      return PathError(errno, "make the link", path);
    }
    return absl::OkStatus();
  }
  const UniqueFd file(::openat(staging_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return PathError(errno, "write", path);
  absl::string_view rest = entry.content;
  while (!rest.empty()) {
    const ssize_t size = ::write(file.get(), rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "write", path);
    rest.remove_prefix(static_cast<size_t>(size));
  }
  if (::fchmod(file.get(), entry.mode & 07777) == 0) return absl::OkStatus();
  return PathError(errno, "set the mode of", path);
}

absl::Status Transaction::StageOne(const PlannedChange& change,
                                   const std::optional<struct stat>& before) {
  Step step;
  step.path = change.path;
  if (before.has_value()) step.before = *before;
  if (!change.after.has_value()) {
    step.kind = StepKind::kDelete;
  } else {
    step.kind = change.before.has_value() ? StepKind::kReplace : StepKind::kCreate;
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

void Transaction::PlanDirectories(const std::vector<PlannedChange>& changes) {
  std::set<std::string> needed, emptied;
  for (const PlannedChange& change : changes) {
    std::set<std::string>& parents = change.after.has_value() ? needed : emptied;
    for (std::string at = ParentOf(change.path); !at.empty(); at = ParentOf(at)) parents.insert(at);
  }
  for (const std::string& path : needed) {
    struct stat stat {};
    // Something else than a directory there is in the way, or goes by then: the step tells.
    if (::fstatat(top_, path.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode)) {
      continue;
    }
    Step step;
    step.kind = StepKind::kMakeDirectory;
    step.path = path;
    steps_.push_back(std::move(step));
  }
  for (const std::string& path : emptied) {
    struct stat stat {};
    if (needed.contains(path) || ::fstatat(top_, path.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    Step step;
    step.kind = StepKind::kRemoveDirectory;
    step.path = path;
    step.mode = stat.st_mode & 07777;
    steps_.push_back(std::move(step));
  }
}

absl::Status Transaction::Stage(const std::vector<PlannedChange>& changes,
                                const std::vector<std::optional<struct stat>>& before) {
  RETURN_IF_ERROR(OpenStaging(/*make=*/true));
  for (size_t i = 0; i < changes.size(); ++i) RETURN_IF_ERROR(StageOne(changes[i], before[i]));
  PlanDirectories(changes);
  std::sort(steps_.begin(), steps_.end(), StepBefore);
  for (const PlannedChange& change : changes) {
    if (!change.after.has_value()) continue;
    const auto step = std::find_if(steps_.begin(), steps_.end(), [&](const Step& each) {
      return each.path == change.path && each.kind >= StepKind::kCreate;
    });
    const auto index = static_cast<size_t>(step - steps_.begin());
    RETURN_IF_ERROR(StageEntry(*change.after, NewName(index), change.path));
    struct stat stat {};
    if (::fstatat(staging_.get(), NewName(index).c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) {
      return PathError(errno, "look at what is new of", change.path);
    }
    step->staged_inode = stat.st_ino;
    step->staged_size = static_cast<uint64_t>(stat.st_size);
    step->staged_seconds = static_cast<uint64_t>(stat.st_mtim.tv_sec);
    step->staged_nanoseconds = static_cast<uint64_t>(stat.st_mtim.tv_nsec);
  }
  return WriteJournal();
}

// The steps, then one byte of state for each.
absl::Status Transaction::WriteJournal() {
  WireWriter out;
  for (const Step& step : steps_) {
    WireWriter each;
    each.Number(kKindField, static_cast<uint64_t>(step.kind));
    each.Bytes(kPathField, step.path);
    each.Number(kModeField, step.mode);
    each.Number(kInodeField, step.staged_inode);
    each.Number(kSizeField, step.staged_size);
    each.Number(kSecondsField, step.staged_seconds);
    each.Number(kNanosecondsField, step.staged_nanoseconds);
    out.Bytes(kStepField, each.message());
  }
  std::string bytes(steps_.size(), '\0');
  bytes += out.message();
  journal_.Reset(::openat(staging_.get(), kNewJournal,
                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!journal_.valid()) return PathError(errno, "write the journal in", name_);
  absl::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t size = ::write(journal_.get(), rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "write the journal in", name_);
    rest.remove_prefix(static_cast<size_t>(size));
  }
  if (::renameat(staging_.get(), kNewJournal, staging_.get(), kJournal) != 0) {
    return PathError(errno, "write the journal in", name_);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Transaction::ReadJournalFile() const {
  struct stat stat {};
  if (::fstat(journal_.get(), &stat) != 0) return PathError(errno, "read the journal in", name_);
  if (!S_ISREG(stat.st_mode)) return Damaged();
  std::string bytes, piece(kJournalPieceBytes, '\0');
  while (bytes.size() <= kJournalBytesMax) {
    const ssize_t size = ::read(journal_.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return PathError(errno, "read the journal in", name_);
    if (size == 0) return bytes;
    bytes.append(piece, 0, static_cast<size_t>(size));
  }
  return Damaged();
}

absl::Status Transaction::Damaged() const {
  return PathRefused(absl::StatusCode::kFailedPrecondition, "FILES_NOT_UNDONE", name_,
                     "has a journal that cannot be read: what the patch had done is not undone");
}

// NOT_FOUND: there is none.
absl::Status Transaction::ReadJournal() {
  // Whatever is there by now: a FIFO must not hold it up.
  journal_.Reset(
      ::openat(staging_.get(), kJournal, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!journal_.valid()) return PathError(errno, "open the journal in", name_);
  ASSIGN_OR_RETURN(const std::string bytes, ReadJournalFile());
  // So many steps as there are bytes before the first message: each begins with the tag.
  const size_t states = bytes.find(static_cast<char>(kStepField << 3 | 2));
  // States are below 3, so none is the tag.
  if (states == std::string::npos) return Damaged();
  WireReader reader(absl::string_view(bytes).substr(states));
  WireField field;
  while (reader.Next(&field)) {
    Step step;
    if (steps_.size() >= states || !DecodeStep(field.bytes, &step)) return Damaged();
    step.state = static_cast<StepState>(bytes[steps_.size()]);
    steps_.push_back(std::move(step));
  }
  return reader.malformed() || steps_.size() != states ? Damaged() : absl::OkStatus();
}

absl::Status Transaction::Mark(size_t index, StepState state) {
  steps_[index].state = state;
  const auto byte = static_cast<char>(state);
  if (::pwrite(journal_.get(), &byte, 1, static_cast<off_t>(index)) != 1) {
    return PathError(errno, "write the journal in", name_);
  }
  return absl::OkStatus();
}

absl::Status Transaction::CheckReplaced(const Step& step, const std::string& name) {
  struct stat stat {};
  if (::fstatat(staging_.get(), name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
      SameContent(stat, step.before)) {
    return absl::OkStatus();
  }
  return PathRefused(absl::StatusCode::kAborted, "FILE_KEPT_CHANGING", step.path,
                     "was changed by somebody else while the patch was applied; try again");
}

absl::Status Transaction::Run(size_t index) {
  const Step& step = steps_[index];
  ASSIGN_OR_RETURN(const UniqueFd parent, OpenParentBeneath(top_, step.path));
  const std::string last = LastOf(step.path);
  const auto rename = [&](const std::string& staged, unsigned flags) {
    return ::renameat2(staging_.get(), staged.c_str(), parent.get(), last.c_str(), flags);
  };
  switch (step.kind) {
    case StepKind::kDelete:
      if (::renameat2(parent.get(), last.c_str(), staging_.get(), OldName(index).c_str(),
                      RENAME_NOREPLACE) != 0) {
        return PathError(errno, "remove", step.path);
      }
      return CheckReplaced(step, OldName(index));
    case StepKind::kRemoveDirectory:
      if (::unlinkat(parent.get(), last.c_str(), AT_REMOVEDIR) == 0) return absl::OkStatus();
      if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOENT) return absl::OkStatus();
      return PathError(errno, "remove the directory", step.path);
    case StepKind::kMakeDirectory:
      if (::mkdirat(parent.get(), last.c_str(), 0777) == 0) return absl::OkStatus();
      // Whatever is there by now is not this patch's to take back.
      steps_[index].state = StepState::kWaiting;
      return PathError(errno == EEXIST ? ENOTDIR : errno, "make the directory", step.path);
    case StepKind::kCreate:
      if (rename(NewName(index), RENAME_NOREPLACE) == 0) return absl::OkStatus();
      return PathError(errno, "make", step.path);
    case StepKind::kReplace:
      if (rename(NewName(index), RENAME_EXCHANGE) != 0) {
        return PathError(errno, "replace", step.path);
      }
      return CheckReplaced(step, NewName(index));
  }
  return absl::InternalError("a step of no kind");
}

absl::Status Transaction::Commit() {
  for (size_t i = 0; i < steps_.size(); ++i) {
    Notice();
    absl::Status status = Mark(i, StepState::kBegun);
    Notice();
    if (status.ok()) status = Run(i);
    Notice();
    if (status.ok()) status = Mark(i, StepState::kDone);
    if (status.ok()) continue;
    RETURN_IF_ERROR(Undo());
    return status;
  }
  return absl::OkStatus();
}

// What was new lies in the directory again. Looked at there, where no name leads to it any more;
// and each time, so that an undoing after this one does not remove it either.
absl::Status Transaction::CheckTakenBack(size_t index) const {
  const Step& step = steps_[index];
  struct stat stat {};
  const bool there =
      ::fstatat(staging_.get(), NewName(index).c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0;
  const bool same = static_cast<uint64_t>(stat.st_size) == step.staged_size &&
                    static_cast<uint64_t>(stat.st_mtim.tv_sec) == step.staged_seconds &&
                    static_cast<uint64_t>(stat.st_mtim.tv_nsec) == step.staged_nanoseconds;
  const bool told = step.staged_seconds != 0;
  if (!there || stat.st_ino != step.staged_inode || same || !told) return absl::OkStatus();
  return PathRefused(
      absl::StatusCode::kAborted, "FILE_KEPT_CHANGING", step.path,
      absl::StrCat("was changed by somebody else meanwhile: that is ", NewName(index)));
}

absl::Status Transaction::UndoOne(size_t index) {
  const Step& step = steps_[index];
  absl::StatusOr<UniqueFd> parent = OpenParentBeneath(top_, step.path);
  if (!parent.ok()) {
    return step.state == StepState::kBegun && absl::IsNotFound(parent.status()) ? absl::OkStatus()
                                                                                : parent.status();
  }
  const int staging = staging_.get();
  const std::string last = LastOf(step.path);
  const bool there = InodeAt(parent->get(), last) == step.staged_inode;
  switch (step.kind) {
    case StepKind::kDelete:
      if (::renameat2(staging, OldName(index).c_str(), parent->get(), last.c_str(),
                      RENAME_NOREPLACE) == 0 ||
          (errno == ENOENT &&
           (step.state == StepState::kBegun || InodeAt(parent->get(), last) != 0))) {
        return absl::OkStatus();  // it was not carried out, or is put back already
      }
      return PathError(errno, "put back", step.path);
    case StepKind::kRemoveDirectory:
      if (::mkdirat(parent->get(), last.c_str(), step.mode) != 0) {
        return errno == EEXIST ? absl::OkStatus() : PathError(errno, "put back", step.path);
      }
      if (::fchmodat(parent->get(), last.c_str(), step.mode, 0) == 0) return absl::OkStatus();
      return PathError(errno, "set the mode of", step.path);
    case StepKind::kMakeDirectory:
      // One that others have put something in by now stays.
      (void)::unlinkat(parent->get(), last.c_str(), AT_REMOVEDIR);
      return absl::OkStatus();
    case StepKind::kCreate:
      if (!there || ::renameat2(parent->get(), last.c_str(), staging, NewName(index).c_str(),
                                RENAME_NOREPLACE) == 0) {
        return CheckTakenBack(index);
      }
      return PathError(errno, "take back", step.path);
    case StepKind::kReplace:
      if (!there || ::renameat2(staging, NewName(index).c_str(), parent->get(), last.c_str(),
                                RENAME_EXCHANGE) == 0) {
        return CheckTakenBack(index);
      }
      return PathError(errno, "put back", step.path);
  }
  return absl::OkStatus();
}

absl::Status Transaction::Undo() {
  absl::Status first;
  for (size_t i = steps_.size(); i > 0; --i) {
    if (steps_[i - 1].state == StepState::kWaiting) continue;
    Notice();
    absl::Status status = UndoOne(i - 1);
    Notice();
    if (status.ok()) status = Mark(i - 1, StepState::kWaiting);
    if (first.ok()) first = status;
  }
  if (first.ok()) return first;
  return PathRefused(absl::StatusCode::kAborted, "FILES_NOT_UNDONE", name_,
                     absl::StrCat("has what a patch replaced: it failed and could not be undone (",
                                  first.message(), ")"));
}

void Transaction::Finish() {
  Notice();
  journal_.Reset();
  if (!staging_.valid()) return;
  (void)::unlinkat(staging_.get(), kJournal, 0);
  Notice();
  staging_.Reset();
  (void)RemoveTree(top_, name_, name_);
}

void Transaction::Discard(int top, const std::string& name) {
  Transaction transaction(top, name);
  if (transaction.OpenStaging(/*make=*/false).ok()) transaction.Finish();
}

absl::StatusOr<bool> Transaction::Recover(int top, const std::string& name,
                                          const std::function<void()>& at_step) {
  Transaction transaction(top, name, at_step);
  if (const absl::Status opened = transaction.OpenStaging(/*make=*/false); !opened.ok()) {
    if (absl::IsNotFound(opened)) return false;
    return opened;
  }
  const absl::Status read = transaction.ReadJournal();
  if (read.ok()) {
    RETURN_IF_ERROR(transaction.Undo());
  } else if (!absl::IsNotFound(read)) {
    return read;
  }
  transaction.Finish();
  return read.ok();
}

}  // namespace glovebox
