// Where the output of an exec is read from: shared memory while it runs, an archive afterwards.
#include <utility>

#include "base/status.h"
#include "exec/exec.h"

namespace glovebox {

Exec::Source Exec::OpenSource() {
  std::shared_ptr<ExecArchiveStore> archives;
  {
    absl::MutexLock lock(&mutex_);
    if (region_ != nullptr || archive_ != nullptr || archives_ == nullptr) {
      return {region_, archive_};
    }
    archives = archives_;
  }
  absl::StatusOr<std::shared_ptr<const ExecArchive>> archive = archives->Read(exec_no_);
  // Gone by the limits, or damaged by a crash of the host: the reader is told of a gap.
  if (!archive.ok()) return {};
  absl::MutexLock lock(&mutex_);
  if (readers_ > 0) archive_ = *archive;
  return {nullptr, *archive};
}

void Exec::AddReader() {
  absl::MutexLock lock(&mutex_);
  ++readers_;
}

void Exec::RemoveReader() {
  std::shared_ptr<const ExecArchive> keep;  // closed outside the lock
  absl::MutexLock lock(&mutex_);
  if (--readers_ == 0) keep = std::move(archive_);
}

std::optional<ExecOutcome> Exec::outcome() const {
  const ExecSnapshot now = Snapshot();
  if (!now.result.has_value()) return std::nullopt;
  return ExecOutcome{now.pid, now.started_ns, now.stdin_accepted, now.stdin_written, *now.result};
}

absl::Status Exec::SaveOutput(std::shared_ptr<ExecArchiveStore> archives) {
  std::shared_ptr<OutputRegion> region;
  {
    absl::MutexLock lock(&mutex_);
    if (!state_.result.has_value()) {
      return absl::FailedPreconditionError("output is saved after the end only");
    }
    if (region_ == nullptr) return absl::OkStatus();
    region = region_;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const ExecArchive> archive, archives->Write(exec_no_, *region));
  absl::MutexLock lock(&mutex_);
  if (readers_ > 0) archive_ = std::move(archive);
  archives_ = std::move(archives);
  region_ = nullptr;  // `region` is the last owner but for readers that copy from it right now
  return absl::OkStatus();
}

void Exec::GiveOutputUp(int error) {
  std::shared_ptr<OutputRegion> region;  // unmapped outside the lock
  absl::MutexLock lock(&mutex_);
  if (region_ == nullptr || !state_.result.has_value()) return;
  region = std::move(region_);
  state_.result->output_lost_error = error;
}

}  // namespace glovebox
