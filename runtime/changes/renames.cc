#include "changes/renames.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/status.h"
#include "changes/budget.h"
#include "changes/content_digest.h"
#include "changes/layer_roots.h"
#include "changes/path_quote.h"
#include "changes/scan_stack.h"
#include "changes/span_hash.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr uint64_t kLeast = kSimilarityMax / 2;
// Of files whose name alone says that they belong together.
constexpr uint64_t kLeastByName = kSimilarityMax * 3 / 4;

absl::string_view NameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// One side of a possible rename.
struct Candidate {
  size_t index = 0;  // of the list
  bool used = false;
};
using Candidates = std::vector<Candidate>;

struct Pair {
  uint64_t score = 0;
  bool same_name = false;
  size_t new_side = 0;
  size_t old_side = 0;
};

class RenameFinder {
 public:
  RenameFinder(std::vector<Change> changes, const RenameLimits& limits, const Clock& clock)
      : limits_(limits), time_(kScanLimitReason, limits.time_ms_max, clock) {
    result_.changes = std::move(changes);
  }

  absl::StatusOr<RenameResult> Find(const Layers& layers);

 private:
  void Collect();
  absl::Status PairEqual();
  absl::Status PairEqualOfSize(const Candidates& old_side, const Candidates& new_side);
  absl::StatusOr<std::string> KeyOf(size_t index, bool old_side);
  void PairBucket(const std::vector<size_t>& old_side, const std::vector<size_t>& new_side);
  absl::Status PairSimilar();
  absl::StatusOr<std::optional<SpanHashes>> ReadSpans(size_t index, bool old_side);
  absl::Status ReadSpansOf(Candidates* side, bool old_side);
  void PairByName();
  absl::Status PairAll();
  uint64_t Score(size_t old_index, size_t new_index, uint64_t least) const;
  void Rename(size_t old_index, size_t new_index, uint64_t score);
  void Apply();

  const RenameLimits& limits_;
  TimeAllowance time_;
  LayerRoots roots_;
  RenameResult result_;
  // Of regular files and links, by list order.
  Candidates old_;
  Candidates new_;
  std::unordered_map<size_t, SpanHashes> old_spans_;
  std::unordered_map<size_t, SpanHashes> new_spans_;
  struct Moved {
    size_t old_index = 0;
    uint64_t score = 0;
  };
  std::map<size_t, Moved> moved_;  // by the new side
  std::set<size_t> left_;          // old sides of moved ones
};

void RenameFinder::Collect() {
  for (size_t i = 0; i < result_.changes.size(); ++i) {
    const Change& change = result_.changes[i];
    const bool is_old = change.letter == ChangeLetter::kDeleted;
    if (!is_old && change.letter != ChangeLetter::kAdded) continue;
    const uint32_t mode = is_old ? change.old_mode : change.new_mode;
    if (!IsRegularMode(mode) && mode != kModeSymlink) continue;
    if ((is_old ? change.old_size_bytes : change.new_size_bytes) == 0) continue;
    if (RefusedByGit(change.path, mode == kModeSymlink)) continue;
    (is_old ? old_ : new_).push_back({i, false});
  }
}

void RenameFinder::Rename(size_t old_index, size_t new_index, uint64_t score) {
  moved_[new_index] = {old_index, score};
  left_.insert(old_index);
}

// "": not what the list says any more.
absl::StatusOr<std::string> RenameFinder::KeyOf(size_t index, bool old_side) {
  const Change& change = result_.changes[index];
  int root_fd = roots_.upper.get();
  if (old_side) {
    ASSIGN_OR_RETURN(root_fd, roots_.OldRoot(change));
  }
  if (root_fd < 0) return std::string();
  const uint64_t size = old_side ? change.old_size_bytes : change.new_size_bytes;
  // A file that grows while it is read is another one.
  Allowance bytes(kScanLimitReason, "equal_bytes", size);
  const auto digest = DigestContent(root_fd, change.path, bytes, time_);
  if (IsEntryGone(digest.status())) return std::string();
  if (absl::IsResourceExhausted(digest.status())) {
    RETURN_IF_ERROR(time_.Check(change.path));
    return std::string();
  }
  RETURN_IF_ERROR(digest.status());
  return digest->size_bytes == size ? digest->sha256 : std::string();
}

// All of one content: those of the same name first, then in order.
void RenameFinder::PairBucket(const std::vector<size_t>& old_side,
                              const std::vector<size_t>& new_side) {
  std::map<absl::string_view, std::deque<size_t>> by_name;
  for (size_t index : old_side) by_name[NameOf(result_.changes[index].path)].push_back(index);
  std::set<size_t> taken;
  std::vector<size_t> without;
  for (size_t index : new_side) {
    const auto same = by_name.find(NameOf(result_.changes[index].path));
    if (same == by_name.end() || same->second.empty()) {
      without.push_back(index);
      continue;
    }
    Rename(same->second.front(), index, kSimilarityMax);
    taken.insert(same->second.front());
    same->second.pop_front();
  }
  auto next = without.begin();
  for (size_t index : old_side) {
    if (next == without.end()) break;
    if (!taken.contains(index)) Rename(index, *next++, kSimilarityMax);
  }
}

absl::Status RenameFinder::PairEqualOfSize(const Candidates& old_side, const Candidates& new_side) {
  struct Bucket {
    std::vector<size_t> old_side, new_side;
  };
  std::map<std::string, Bucket> buckets;
  for (const Candidate& candidate : old_side) {
    ASSIGN_OR_RETURN(const std::string key, KeyOf(candidate.index, true));
    if (!key.empty()) buckets[key].old_side.push_back(candidate.index);
  }
  for (const Candidate& candidate : new_side) {
    ASSIGN_OR_RETURN(const std::string key, KeyOf(candidate.index, false));
    if (!key.empty()) buckets[key].new_side.push_back(candidate.index);
  }
  for (const auto& [key, bucket] : buckets) PairBucket(bucket.old_side, bucket.new_side);
  return absl::OkStatus();
}

absl::Status RenameFinder::PairEqual() {
  using Group = std::tuple<uint64_t, bool>;  // size, is a link
  std::map<Group, std::pair<Candidates, Candidates>> groups;
  for (const Candidate& candidate : old_) {
    const Change& change = result_.changes[candidate.index];
    groups[{change.old_size_bytes, change.old_mode == kModeSymlink}].first.push_back(candidate);
  }
  for (const Candidate& candidate : new_) {
    const Change& change = result_.changes[candidate.index];
    groups[{change.new_size_bytes, change.new_mode == kModeSymlink}].second.push_back(candidate);
  }
  uint64_t left = limits_.equal_bytes_max;
  for (const auto& [group, sides] : groups) {
    const auto& [old_side, new_side] = sides;
    if (old_side.empty() || new_side.empty()) continue;
    // By division: sizes are as large as a payload makes sparse files.
    if (std::get<0>(group) > left / (old_side.size() + new_side.size())) {
      result_.cut = true;
      break;
    }
    left -= std::get<0>(group) * (old_side.size() + new_side.size());
    RETURN_IF_ERROR(PairEqualOfSize(old_side, new_side));
  }
  std::erase_if(old_, [this](const Candidate& c) { return left_.contains(c.index); });
  std::erase_if(new_, [this](const Candidate& c) { return moved_.contains(c.index); });
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SpanHashes>> RenameFinder::ReadSpans(size_t index, bool old_side) {
  const Change& change = result_.changes[index];
  const uint64_t size = old_side ? change.old_size_bytes : change.new_size_bytes;
  int root_fd = roots_.upper.get();
  if (old_side) {
    ASSIGN_OR_RETURN(root_fd, roots_.OldRoot(change));
  }
  if (root_fd < 0) return std::optional<SpanHashes>();
  RETURN_IF_ERROR(time_.Check(change.path));
  const auto file = OpenRegularBeneath(root_fd, change.path);
  if (IsEntryGone(file.status())) return std::optional<SpanHashes>();
  RETURN_IF_ERROR(file.status());
  const auto content = ReadWhole(file->fd.get(), size);
  if (absl::IsResourceExhausted(content.status())) return std::optional<SpanHashes>();
  RETURN_IF_ERROR(content.status());
  if (content->size() != size) return std::optional<SpanHashes>();
  return std::optional<SpanHashes>(SpanHashes(*content));
}

// Only of what one of the other side may be like; drops the rest from `side`.
absl::Status RenameFinder::ReadSpansOf(Candidates* side, bool old_side) {
  std::unordered_map<size_t, SpanHashes>& spans = old_side ? old_spans_ : new_spans_;
  for (Candidate& candidate : *side) {
    ASSIGN_OR_RETURN(std::optional<SpanHashes> read, ReadSpans(candidate.index, old_side));
    candidate.used = !read.has_value();
    if (read.has_value()) spans.emplace(candidate.index, *std::move(read));
  }
  std::erase_if(*side, [](const Candidate& c) { return c.used; });
  return absl::OkStatus();
}

uint64_t RenameFinder::Score(size_t old_index, size_t new_index, uint64_t least) const {
  const uint64_t score =
      Similarity(old_spans_.at(old_index), result_.changes[old_index].old_size_bytes,
                 new_spans_.at(new_index), result_.changes[new_index].new_size_bytes, least);
  return score >= least ? score : 0;
}

void RenameFinder::PairByName() {
  constexpr size_t kSeveral = SIZE_MAX;
  const auto unique = [this](const Candidates& side) {
    std::map<absl::string_view, size_t> names;
    for (const Candidate& candidate : side) {
      const auto [at, is_new] =
          names.emplace(NameOf(result_.changes[candidate.index].path), candidate.index);
      if (!is_new) at->second = kSeveral;
    }
    return names;
  };
  const auto old_names = unique(old_);
  for (const auto& [name, new_index] : unique(new_)) {
    const auto same = old_names.find(name);
    if (new_index == kSeveral || same == old_names.end() || same->second == kSeveral) continue;
    const uint64_t score = Score(same->second, new_index, kLeastByName);
    if (score > 0) Rename(same->second, new_index, score);
  }
  std::erase_if(old_, [this](const Candidate& c) { return left_.contains(c.index); });
  std::erase_if(new_, [this](const Candidate& c) { return moved_.contains(c.index); });
}

absl::Status RenameFinder::PairAll() {
  uint64_t steps = 0;
  for (const Candidate& c : old_) steps += old_spans_.at(c.index).size() * new_.size();
  for (const Candidate& c : new_) steps += new_spans_.at(c.index).size() * old_.size();
  if (old_.size() > limits_.similar_files_max || new_.size() > limits_.similar_files_max ||
      steps > limits_.similar_steps_max) {
    result_.cut = result_.cut || (!old_.empty() && !new_.empty());
    return absl::OkStatus();
  }
  std::vector<Pair> pairs;
  for (const Candidate& new_side : new_) {
    const std::string& new_path = result_.changes[new_side.index].path;
    RETURN_IF_ERROR(time_.Check(new_path));
    for (const Candidate& old_side : old_) {
      const uint64_t score = Score(old_side.index, new_side.index, kLeast);
      if (score == 0) continue;
      const bool same_name = NameOf(new_path) == NameOf(result_.changes[old_side.index].path);
      pairs.push_back({score, same_name, new_side.index, old_side.index});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tie(b.score, b.same_name, a.new_side, a.old_side) <
           std::tie(a.score, a.same_name, b.new_side, b.old_side);
  });
  for (const Pair& pair : pairs) {
    if (moved_.contains(pair.new_side) || left_.contains(pair.old_side)) continue;
    Rename(pair.old_side, pair.new_side, pair.score);
  }
  return absl::OkStatus();
}

absl::Status RenameFinder::PairSimilar() {
  uint64_t bytes = 0;
  const auto drop = [&](Candidates* side, bool old_side) {
    std::erase_if(*side, [&](const Candidate& c) {
      const Change& change = result_.changes[c.index];
      if ((old_side ? change.old_mode : change.new_mode) == kModeSymlink) return true;
      const uint64_t size = old_side ? change.old_size_bytes : change.new_size_bytes;
      const bool large = size > limits_.similar_file_bytes_max;
      result_.cut = result_.cut || large;
      if (!large) bytes += size;
      return large;
    });
  };
  drop(&old_, true);
  drop(&new_, false);
  if (old_.empty() || new_.empty()) return absl::OkStatus();
  if (bytes > limits_.similar_bytes_max) {
    result_.cut = true;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ReadSpansOf(&old_, true));
  RETURN_IF_ERROR(ReadSpansOf(&new_, false));
  PairByName();
  return PairAll();
}

void RenameFinder::Apply() {
  std::vector<Change> changes;
  for (size_t i = 0; i < result_.changes.size(); ++i) {
    if (left_.contains(i)) continue;
    Change change = std::move(result_.changes[i]);
    if (const auto moved = moved_.find(i); moved != moved_.end()) {
      const Change& old_side = result_.changes[moved->second.old_index];
      change.letter = ChangeLetter::kRenamed;
      change.old_path = old_side.path;
      change.old_mode = old_side.old_mode;
      change.old_size_bytes = old_side.old_size_bytes;
      change.old_layer = old_side.old_layer;
      change.similarity = static_cast<uint32_t>(moved->second.score * 100 / kSimilarityMax);
    }
    changes.push_back(std::move(change));
  }
  result_.changes = std::move(changes);
}

absl::StatusOr<RenameResult> RenameFinder::Find(const Layers& layers) {
  Collect();
  if (!old_.empty() && !new_.empty()) {
    ASSIGN_OR_RETURN(roots_, LayerRoots::Open(layers));
    RETURN_IF_ERROR(PairEqual());
    RETURN_IF_ERROR(PairSimilar());
    Apply();
  }
  return std::move(result_);
}

}  // namespace

absl::StatusOr<RenameResult> FindRenames(const Layers& layers, std::vector<Change> changes,
                                         const RenameLimits& limits, const Clock& clock) {
  return RenameFinder(std::move(changes), limits, clock).Find(layers);
}

}  // namespace glovebox
