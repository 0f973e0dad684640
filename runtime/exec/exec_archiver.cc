#include "exec/exec_archiver.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace glovebox {
namespace {

int ErrnoOf(const absl::Status& status) {
  int error = 0;
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value()) return EIO;
  const auto it = detail->metadata.find("errno");
  if (it == detail->metadata.end() || !absl::SimpleAtoi(it->second, &error)) return EIO;
  return error;
}

}  // namespace

void ExecArchiver::Close() {
  absl::WriterMutexLock lock(&closing_);
  closed_ = true;
}

absl::Status ExecArchiver::Save(const std::shared_ptr<Exec>& exec) {
  absl::ReaderMutexLock open(&closing_);
  if (closed_) return absl::CancelledError("the sandbox is being removed");
  absl::Status saved = exec->SaveOutput(store_);
  if (health_ != nullptr && !absl::IsFailedPrecondition(saved)) health_->Note(saved);
  std::shared_ptr<Exec> oldest;
  {
    absl::MutexLock lock(&mutex_);
    const auto known = std::find(unsaved_.begin(), unsaved_.end(), exec);
    if (saved.ok()) {
      if (known != unsaved_.end()) unsaved_.erase(known);
      return saved;
    }
    if (known == unsaved_.end()) unsaved_.push_back(exec);
    if (unsaved_.size() <= store_->limits().unsaved_max) return saved;
    oldest = unsaved_.front();
    unsaved_.pop_front();
  }
  oldest->GiveOutputUp(ErrnoOf(saved));
  return oldest == exec ? absl::OkStatus() : saved;
}

}  // namespace glovebox
