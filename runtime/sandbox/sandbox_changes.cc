#include "sandbox/sandbox_changes.h"

#include <fcntl.h>

#include <utility>

#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr uint64_t kOwnMemoryBytes = uint64_t{64} << 20;

}  // namespace

SandboxChanges::SandboxChanges(std::string id, std::string directory, const JournalLimits& limits,
                               JournalMemory* memory, const Clock* clock)
    : id_(std::move(id)),
      directory_(std::move(directory)),
      limits_(limits),
      clock_(clock),
      own_memory_(kOwnMemoryBytes),
      memory_(memory != nullptr ? memory : &own_memory_) {}

absl::StatusOr<std::shared_ptr<ChangeJournal>> SandboxChanges::Of(const std::string& root) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return absl::UnavailableError("the sandbox is being deleted");
  std::shared_ptr<ChangeJournal>& journal = journals_[root];
  if (journal != nullptr) return journal;
  UniqueFd directory;
  if (!directory_.empty()) {
    ASSIGN_OR_RETURN(directory, OpenAt(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY));
  }
  // A sandbox has two trees at most, so two names are enough.
  ASSIGN_OR_RETURN(journal, ChangeJournal::Open(directory.valid() ? directory.get() : -1,
                                                root.empty() ? "changes-root" : "changes-workdir",
                                                limits_, memory_, clock_));
  return journal;
}

void SandboxChanges::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  for (const auto& [root, journal] : journals_) journal->Close();
}

}  // namespace glovebox
