// Changes of a tree that happen all or not at all, also when the process is killed in between.
//
// Theory. Everything is kept below one directory `.glovebox-TOKEN` in the tree's top, so on the
// same mount: new content is written there first (N.new), then a journal of the steps. Each step is
// one rename, exchange, mkdir or rmdir: what is replaced or removed comes to lie in the directory
// (N.new, N.old) and is there until the answer was written. Before a step its state in the journal
// becomes kBegun, behind it kDone. Undo, by the process itself or by another one after its death,
// takes the steps back in the other order; of a step that has begun it sees by the staged file's
// inode whether it happened. What somebody else has changed since it was put in place comes back to
// lie in the directory, which then stays: FILES_NOT_UNDONE. Finish removes the journal first: from
// then on there is nothing to undo.
#ifndef GLOVEBOX_FILES_TRANSACTION_H_
#define GLOVEBOX_FILES_TRANSACTION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "files/place.h"
#include "patch/patch_plan.h"

namespace glovebox {

enum class StepKind : uint32_t {
  kDelete = 1,
  kRemoveDirectory = 2,
  kMakeDirectory = 3,
  kCreate = 4,
  kReplace = 5,
};

enum class StepState : uint8_t { kWaiting = 0, kBegun = 1, kDone = 2 };

struct Step {
  StepKind kind = StepKind::kDelete;
  StepState state = StepState::kWaiting;
  std::string path;
  uint32_t mode = 0;          // of kRemoveDirectory
  uint64_t staged_inode = 0;  // of kCreate, kReplace
  // As it was staged; 0 in a journal of an older release.
  uint64_t staged_size = 0, staged_seconds = 0, staged_nanoseconds = 0;
  struct stat before {};  // of kDelete, kReplace: what the plan was made from; not in the journal
};

// Not thread-safe.
class Transaction {
 public:
  // `top`: the tree, borrowed. `name`: of the directory for staging. `at_step` is called before
  // each system call that changes the tree, for tests.
  Transaction(int top, std::string name, std::function<void()> at_step = nullptr)
      : top_(top), name_(std::move(name)), at_step_(std::move(at_step)) {}

  // Plans and stages. `before`: lstat of each path of `changes` that is there, by the plan's order.
  absl::Status Stage(const std::vector<PlannedChange>& changes,
                     const std::vector<std::optional<struct stat>>& before);
  // Carries it out; undone when something fails. ABORTED, FILE_KEPT_CHANGING: a file is another one
  // than the plan was made from. FILES_NOT_UNDONE: somebody was in the way of the undoing, too.
  absl::Status Commit();
  // Removes what is left of it. What cannot be removed stays, without meaning.
  void Finish();

  // Of a run that was killed: as above. False: there was no journal, so nothing had begun, if
  // nobody took it away.
  static absl::StatusOr<bool> Recover(int top, const std::string& name,
                                      const std::function<void()>& at_step = nullptr);
  // Of a run that had answered: what it left of itself.
  static void Discard(int top, const std::string& name);

 private:
  absl::Status StageOne(const PlannedChange& change, const std::optional<struct stat>& before);
  absl::Status StageEntry(const PatchedEntry& entry, const std::string& name,
                          const std::string& path) const;
  void PlanDirectories(const std::vector<PlannedChange>& changes);
  absl::Status WriteJournal();
  absl::Status ReadJournal();
  absl::StatusOr<std::string> ReadJournalFile() const;
  absl::Status Damaged() const;
  absl::Status Mark(size_t index, StepState state);
  absl::Status Run(size_t index);
  absl::Status Undo();
  absl::Status UndoOne(size_t index);
  absl::Status CheckTakenBack(size_t index) const;
  absl::Status CheckReplaced(const Step& step, const std::string& name);
  void Notice() const {
    if (at_step_ != nullptr) at_step_();
  }
  absl::Status OpenStaging(bool make);

  const int top_;
  const std::string name_;
  const std::function<void()> at_step_;
  UniqueFd staging_, journal_;
  std::vector<Step> steps_;
};

// The directory that `path` is in, below `top`, through no link.
absl::StatusOr<UniqueFd> OpenParentBeneath(int top, const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_TRANSACTION_H_
