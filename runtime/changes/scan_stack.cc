#include "changes/scan_stack.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

// Frames besides the root that keep their descriptors (one for the upper, one per lower each).
constexpr size_t kOpenFrames = 32;

}  // namespace

absl::Status ChangedDuringScan(absl::string_view path) {
  const std::string shown = EscapeForPeople(path, 256);
  return DetailedError(absl::StatusCode::kAborted,
                       absl::StrCat("\"", shown,
                                    "\" changed faster than it could be read; freeze the "
                                    "sandbox and scan again"),
                       {"FILE_KEPT_CHANGING", {{"path", shown}}});
}

bool IsRace(const absl::Status& status) {
  if (absl::IsNotFound(status)) return true;
  if (!absl::IsFailedPrecondition(status)) return false;
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason != "OVERLAY_FEATURE";
}

std::string ScanStack::PathOf(absl::string_view name) const {
  return path_.empty() ? std::string(name) : absl::StrCat(path_, "/", name);
}

absl::Status ScanStack::ReadNames(ScanFrame* frame) {
  const uint64_t charged_before = budget_.memory.used();
  const auto add = [&](absl::string_view name) -> absl::Status {
    RETURN_IF_ERROR(budget_.entries.Take(1, path_));
    RETURN_IF_ERROR(budget_.memory.Take(sizeof(std::string) + name.size(), path_));
    const uint64_t path_bytes = path_.size() + (path_.empty() ? 0 : 1) + name.size();
    if (path_bytes > budget_.path_bytes_max) {
      return LimitError(kScanLimitReason, "path_bytes", budget_.path_bytes_max, PathOf(name));
    }
    frame->names.emplace_back(name);
    return absl::OkStatus();
  };
  if (frame->has_upper) RETURN_IF_ERROR(ForEachName(frame->upper.get(), add));
  if (frame->hides_lowers || !frame->has_upper) {
    RETURN_IF_ERROR(frame->old.ForEachCandidate(add));
  }
  frame->names_bytes = budget_.memory.used() - charged_before;
  std::sort(frame->names.begin(), frame->names.end());
  frame->names.erase(std::unique(frame->names.begin(), frame->names.end()), frame->names.end());
  return absl::OkStatus();
}

absl::Status ScanStack::Push(ScanFrame frame) {
  // The root is depth 0.
  if (frames_.size() > budget_.depth_max) {
    return LimitError(kScanLimitReason, "depth", budget_.depth_max, PathOf(frame.name));
  }
  frame.path_size = path_.size();
  if (!frames_.empty()) path_ = PathOf(frame.name);
  RETURN_IF_ERROR(ReadNames(&frame));
  frames_.push_back(std::move(frame));
  CloseFarFrames();
  return absl::OkStatus();
}

absl::Status ScanStack::PushDeleted(const std::string& name, std::vector<LayerView::Part> parts) {
  ScanFrame frame;
  frame.name = name;
  frame.has_old = true;
  frame.old = LayerView(std::move(parts));
  return Push(std::move(frame));
}

ScanFrame ScanStack::Pop() {
  ScanFrame frame = std::move(frames_.back());
  frames_.pop_back();
  path_.resize(frame.path_size);
  budget_.memory.GiveBack(frame.names_bytes);
  return frame;
}

void ScanStack::CloseFarFrames() {
  if (frames_.size() <= kOpenFrames + 1) return;
  ScanFrame& far = frames_[frames_.size() - kOpenFrames - 1];
  far.is_open = false;
  far.upper.Reset();
  far.old = LayerView();
}

absl::Status ScanStack::OpenFrame(size_t index) {
  const ScanFrame& parent = frames_[index - 1];
  ScanFrame& frame = frames_[index];
  if (frame.has_upper) {
    auto dir = OpenDirectoryBeneath(parent.upper.get(), frame.name);
    if (IsRace(dir.status())) return ChangedDuringScan(path_);
    if (!dir.ok()) return dir.status();
    if (dir->stat.st_dev != frame.device || dir->stat.st_ino != frame.inode) {
      return ChangedDuringScan(path_);
    }
    frame.upper = std::move(dir->fd);
  }
  if (frame.has_old) {
    ASSIGN_OR_RETURN(LayerView::Entry old, parent.old.Lookup(frame.name));
    frame.old = LayerView(std::move(old.parts));
  }
  frame.is_open = true;
  return absl::OkStatus();
}

absl::Status ScanStack::OpenTop() {
  const size_t target = frames_.size() - 1;
  size_t index = target;
  while (!frames_[index].is_open) --index;  // the root is never closed
  for (++index; index <= target; ++index) {
    RETURN_IF_ERROR(budget_.time.Check(path_));
    RETURN_IF_ERROR(OpenFrame(index));
    if (index > kOpenFrames) {
      ScanFrame& far = frames_[index - kOpenFrames];
      far.is_open = false;
      far.upper.Reset();
      far.old = LayerView();
    }
  }
  return absl::OkStatus();
}

}  // namespace glovebox
