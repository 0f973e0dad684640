#include "changes/journal_history.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

// A node of the map with its strings and vectors' headers.
constexpr uint64_t kPathBytes = 192;

uint64_t BytesOf(const PathVersion& version) {
  return sizeof(PathVersion) + version.side.symlink_target.size();
}

bool IsSame(const PathSide& a, const PathSide& b) {
  if (a.mode != b.mode || a.size_bytes != b.size_bytes || a.symlink_target != b.symlink_target) {
    return false;
  }
  if (!IsRegularMode(a.mode)) return true;
  return a.content.has_value() && b.content.has_value() && a.content->IsSameAs(*b.content);
}

bool IsBlob(uint32_t mode) { return IsRegularMode(mode) || mode == kModeSymlink; }

// Whether git sees one entry that was changed, and not one that went and one that came.
bool IsOneChange(uint32_t old_mode, uint32_t new_mode) {
  return (IsBlob(old_mode) && IsBlob(new_mode)) || old_mode == new_mode;
}

ListedChange OneSided(const std::string& path, const PathSide& side, ChangeLetter letter) {
  ListedChange listed;
  listed.change.path = path;
  listed.change.letter = letter;
  if (letter == ChangeLetter::kDeleted) {
    listed.change.old_mode = side.mode;
    listed.change.old_size_bytes = side.size_bytes;
  } else {
    listed.change.new_mode = side.mode;
    listed.change.new_size_bytes = side.size_bytes;
    listed.change.symlink_target = side.symlink_target;
    listed.content = side.content;
  }
  return listed;
}

}  // namespace

std::vector<LookedAtPath> PathsOf(const std::vector<Change>& changes, ContentBook* book) {
  std::vector<LookedAtPath> paths;
  paths.reserve(changes.size());
  for (const Change& change : changes) {
    if (paths.empty() || paths.back().path != change.path) {
      paths.push_back({change.path, {}, 0, {}});
    }
    LookedAtPath& path = paths.back();
    if (change.old_mode != kModeAbsent) {
      path.base.mode = change.old_mode;
      path.base.size_bytes = change.old_size_bytes;
      path.base_layer = change.old_layer;
    }
    if (change.new_mode == kModeAbsent) continue;
    path.side.mode = change.new_mode;
    path.side.size_bytes = change.new_size_bytes;
    path.side.symlink_target = change.symlink_target;
    if (!IsRegularMode(change.new_mode)) continue;
    const Content* content = book->Latest(change.path);
    if (content != nullptr) path.side.content = *content;
  }
  return paths;
}

const PathVersion* JournalHistory::At(const PathRecord& record, uint64_t point) {
  const auto after = std::upper_bound(
      record.versions.begin(), record.versions.end(), point,
      [](uint64_t wanted, const PathVersion& version) { return wanted < version.sequence; });
  if (after == record.versions.begin()) return nullptr;
  const PathVersion& version = *std::prev(after);
  return version.as_base ? nullptr : &version;
}

void JournalHistory::Append(PathRecord* record, PathVersion version) {
  bytes_ += BytesOf(version);
  record->versions.push_back(std::move(version));
}

JournalHistory::PathRecord* JournalHistory::Ensure(LookedAtPath* path) {
  const auto [it, is_new] = paths_.try_emplace(std::move(path->path));
  if (is_new) {
    it->second.base = std::move(path->base);
    it->second.base_layer = path->base_layer;
    bytes_ += kPathBytes + it->first.size();
  }
  return &it->second;
}

uint64_t JournalHistory::Record(std::vector<LookedAtPath> look) {
  const uint64_t next = latest_ + 1;
  bool differs = false;
  auto known = paths_.begin();
  const auto back_to_base = [&](PathRecord& record) {
    if (record.versions.back().as_base) return;
    Append(&record, {next, true, {}});
    differs = true;
  };
  for (LookedAtPath& path : look) {
    for (; known != paths_.end() && known->first < path.path; ++known) back_to_base(known->second);
    if (known == paths_.end() || known->first != path.path) {
      PathSide side = std::move(path.side);
      Append(Ensure(&path), {next, false, std::move(side)});
      differs = true;
      continue;
    }
    PathRecord& record = known++->second;
    PathVersion& newest = record.versions.back();
    if (!newest.as_base && IsSame(newest.side, path.side)) {
      // Perhaps touched, perhaps settled by now. What was hashed once stays so.
      if (path.side.content.has_value() &&
          (path.side.content->hashed || !newest.side.content->hashed)) {
        newest.side.content = path.side.content;
      }
      continue;
    }
    Append(&record, {next, false, std::move(path.side)});
    differs = true;
  }
  for (; known != paths_.end(); ++known) back_to_base(known->second);
  if (differs) latest_ = next;
  return latest_;
}

bool JournalHistory::HasBelow(const std::string& path, uint64_t point) const {
  const std::string prefix = absl::StrCat(path, "/");
  for (auto it = paths_.lower_bound(prefix);
       it != paths_.end() && absl::StartsWith(it->first, prefix); ++it) {
    const PathVersion* version = At(it->second, point);
    const PathSide& side = version != nullptr ? version->side : it->second.base;
    if (side.mode != kModeAbsent) return true;
  }
  return false;
}

std::vector<ListedChange> JournalHistory::Between(uint64_t from, uint64_t to) const {
  std::vector<ListedChange> listed;
  for (const auto& [path, record] : paths_) {
    if (record.versions.back().sequence <= from) continue;
    const PathVersion* old_version = At(record, from);
    const PathVersion* new_version = At(record, to);
    if (old_version == new_version) continue;
    const PathSide& old_side = old_version != nullptr ? old_version->side : record.base;
    const PathSide& new_side = new_version != nullptr ? new_version->side : record.base;
    // One of them is the base: the scan says that they differ.
    const bool both = old_version != nullptr && new_version != nullptr;
    if (both && IsSame(old_side, new_side)) continue;
    const size_t before = listed.size();
    const bool stays = old_side.mode != kModeAbsent && new_side.mode != kModeAbsent;
    if (stays && IsOneChange(old_side.mode, new_side.mode)) {
      const bool same_type = (old_side.mode & S_IFMT) == (new_side.mode & S_IFMT);
      listed.push_back(OneSided(path, new_side,
                                same_type ? ChangeLetter::kModified : ChangeLetter::kTypeChanged));
      listed.back().change.old_mode = old_side.mode;
      listed.back().change.old_size_bytes = old_side.size_bytes;
    } else {
      // A directory that was empty and has entries now is not gone.
      const bool filled =
          old_side.mode == kModeDirectory && new_side.mode == kModeAbsent && HasBelow(path, to);
      if (old_side.mode != kModeAbsent && !filled) {
        listed.push_back(OneSided(path, old_side, ChangeLetter::kDeleted));
      }
      if (new_side.mode != kModeAbsent) {
        listed.push_back(OneSided(path, new_side, ChangeLetter::kAdded));
      }
    }
    for (size_t i = before; i < listed.size(); ++i) {
      listed[i].in_base = record.base.mode != kModeAbsent;
      listed[i].back_to_base = new_version == nullptr;
      listed[i].base_layer = record.base_layer;
      if (old_version == nullptr) listed[i].change.old_layer = record.base_layer;
    }
  }
  return listed;
}

void JournalHistory::Fold(uint64_t horizon) {
  if (horizon <= horizon_) return;
  horizon_ = std::min(horizon, latest_);
  for (auto it = paths_.begin(); it != paths_.end();) {
    std::vector<PathVersion>& versions = it->second.versions;
    const auto after = std::upper_bound(
        versions.begin(), versions.end(), horizon_,
        [](uint64_t wanted, const PathVersion& version) { return wanted < version.sequence; });
    if (after - versions.begin() > 1) {
      for (auto old = versions.begin(); old != std::prev(after); ++old) bytes_ -= BytesOf(*old);
      versions.erase(versions.begin(), std::prev(after));
      versions.shrink_to_fit();
    }
    if (versions.front().as_base && versions.front().sequence <= horizon_) {
      bytes_ -= BytesOf(versions.front());
      versions.erase(versions.begin());
    }
    if (versions.empty()) {
      bytes_ -= kPathBytes + it->first.size();
      it = paths_.erase(it);
    } else {
      ++it;
    }
  }
}

uint64_t JournalHistory::HalfwayHorizon() const {
  std::vector<uint64_t> points;
  for (const auto& [path, record] : paths_) {
    for (const PathVersion& version : record.versions) points.push_back(version.sequence);
  }
  if (points.empty()) return latest_;
  const auto middle = points.begin() + static_cast<std::ptrdiff_t>(points.size() / 2);
  std::nth_element(points.begin(), middle, points.end());
  return *middle;
}

const Content* JournalHistory::Find(const std::string& path, const Fingerprint& fingerprint) const {
  const auto it = paths_.find(path);
  if (it == paths_.end()) return nullptr;
  const PathVersion& newest = it->second.versions.back();
  if (newest.as_base || !newest.side.content.has_value()) return nullptr;
  const Content& content = *newest.side.content;
  return content.settled && content.fingerprint == fingerprint ? &content : nullptr;
}

void JournalHistory::DistrustFingerprints() {
  for (auto& [path, record] : paths_) {
    for (PathVersion& version : record.versions) {
      if (version.side.content.has_value()) version.side.content->settled = false;
    }
  }
}

void JournalHistory::Restore(LookedAtPath path, uint64_t sequence, bool as_base) {
  PathSide side = std::move(path.side);
  Append(Ensure(&path), {sequence, as_base, std::move(side)});
}

}  // namespace glovebox
