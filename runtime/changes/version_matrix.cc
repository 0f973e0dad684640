#include "changes/version_matrix.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "changes/content_digest.h"
#include "changes/layer_roots.h"
#include "changes/scan_stack.h"

namespace glovebox {

VersionMatrix::VersionMatrix(size_t sandboxes, size_t paths_max, const CompareLimits& limits,
                             const Clock& clock)
    : sandboxes_(sandboxes),
      paths_max_(paths_max),
      limits_(limits),
      clock_(clock),
      begin_ns_(clock.MonotonicNanos()),
      read_(kScanLimitReason, "read_bytes", limits.read_bytes_max),
      time_(kScanLimitReason, limits.time_ms_max, clock) {}

int64_t VersionMatrix::ms_left() const {
  return limits_.time_ms_max - (clock_.MonotonicNanos() - begin_ns_) / 1'000'000;
}

VersionMatrix::Path* VersionMatrix::Keep(const std::string& path) {
  if (const auto found = paths_.find(path); found != paths_.end()) return &found->second;
  if (paths_.size() >= paths_max_) {
    cut_ = true;
    if (paths_max_ == 0 || path > paths_.rbegin()->first) return nullptr;
    paths_.erase(std::prev(paths_.end()));
  }
  Path& kept = paths_[path];
  kept.versions.resize(sandboxes_);
  return &kept;
}

// Appends what tells this entry from others at its path.
absl::Status VersionMatrix::Describe(size_t sandbox, int upper_fd, const Change& change,
                                     std::string* what) {
  const bool is_file = IsRegularMode(change.new_mode);
  if (!is_file && change.new_mode != kModeSymlink) {
    absl::StrAppend(what, "mode ", change.new_mode, "\n");
    return absl::OkStatus();
  }
  absl::StatusOr<ContentDigest> digest = absl::NotFoundError("");
  Allowance of_file(kScanLimitReason, "file_bytes", limits_.file_bytes_max);
  if (upper_fd >= 0 && (!is_file || change.new_size_bytes <= limits_.file_bytes_max)) {
    digest = DigestContent(upper_fd, change.path, of_file, time_);
    RETURN_IF_ERROR(read_.Take(of_file.used(), change.path));
    RETURN_IF_ERROR(time_.Check(change.path));
  }
  if (digest.ok()) {
    absl::StrAppend(what, "content ", digest->mode, " ", digest->sha256, "\n");
  } else if (IsEntryGone(digest.status()) || absl::IsResourceExhausted(digest.status())) {
    absl::StrAppend(what, "only in ", sandbox, "\n");
  } else {
    return digest.status();
  }
  return absl::OkStatus();
}

absl::Status VersionMatrix::Add(size_t sandbox, const Layers& layers,
                                const std::vector<Change>& changes) {
  ASSIGN_OR_RETURN(const LayerRoots roots, LayerRoots::Open(layers));
  for (size_t i = 0; i < changes.size();) {
    const std::string& path = changes[i].path;
    RETURN_IF_ERROR(time_.Check(path));  // of what is not kept, too
    Path* kept = Keep(path);
    std::string what;
    // An entry of another type in the place of an old one is two changes.
    for (; i < changes.size() && changes[i].path == path; ++i) {
      if (kept != nullptr) {
        RETURN_IF_ERROR(Describe(sandbox, roots.upper.get(), changes[i], &what));
      }
    }
    if (kept == nullptr) continue;
    Sha256 sha256;
    sha256.Update(what);
    const auto [number, is_new] = kept->numbers.emplace(sha256.Finish(), kept->next);
    if (is_new) ++kept->next;
    kept->versions[sandbox] = number->second;
  }
  return absl::OkStatus();
}

std::vector<VersionMatrix::Row> VersionMatrix::Take() {
  std::vector<Row> rows;
  rows.reserve(paths_.size());
  for (auto& [path, kept] : paths_) rows.push_back({path, std::move(kept.versions)});
  paths_.clear();
  return rows;
}

}  // namespace glovebox
