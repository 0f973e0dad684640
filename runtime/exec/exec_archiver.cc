#include "exec/exec_archiver.h"

namespace glovebox {

absl::Status ExecArchiver::Save(const std::shared_ptr<Exec>& exec) {
  absl::Status saved = exec->SaveOutput(store_);
  if (saved.ok()) return saved;
  std::shared_ptr<Exec> oldest;
  {
    absl::MutexLock lock(&mutex_);
    unsaved_.push_back(exec);
    if (unsaved_.size() > store_->limits().unsaved_max) {
      oldest = unsaved_.front().lock();
      unsaved_.pop_front();
    }
  }
  if (oldest != nullptr) oldest->DropOutput();
  return saved;
}

}  // namespace glovebox
