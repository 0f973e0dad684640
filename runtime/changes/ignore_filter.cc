#include "changes/ignore_filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "changes/layer_view.h"
#include "changes/scan_stack.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

using Verdict = IgnoreList::Verdict;
using Kind = LayerView::Entry::Kind;

constexpr absl::string_view kReason = "TOO_MANY_CHANGES";
constexpr char kGitignore[] = ".gitignore";

// The decisions on the directories above the path in hand, from the root down.
class IgnoreWalk {
 public:
  IgnoreWalk(bool respect_gitignore, ReadGitignore read, const IgnoreLimits& limits)
      : respect_gitignore_(respect_gitignore),
        read_(read),
        limits_(limits),
        patterns_(kReason, "patterns", limits.patterns_max),
        bytes_(kReason, "gitignore_bytes", limits.files_bytes_max),
        steps_(kReason, "ignore_steps", limits.steps_max) {}

  absl::Status Begin(const std::vector<std::string>& client_patterns) {
    for (const std::string& line : client_patterns) {
      RETURN_IF_ERROR(client_.Add(line, &patterns_, line));
    }
    return Enter("");
  }

  // Paths come in ascending order.
  absl::StatusOr<bool> Ignores(const std::string& path, bool is_directory, bool tracked) {
    while (levels_.size() > 1 && !IsBelow(path, levels_.back().directory)) levels_.pop_back();
    for (;;) {
      const size_t from = levels_.size() == 1 ? 0 : levels_.back().directory.size() + 1;
      const size_t slash = path.find('/', from);
      if (slash == std::string::npos) break;
      RETURN_IF_ERROR(Enter(path.substr(0, slash)));
    }
    const Level& above = levels_.back();
    if (above.by_client || (above.by_files && !tracked)) return true;
    ASSIGN_OR_RETURN(const Verdict client, client_.Decide(path, is_directory, &steps_));
    if (client != Verdict::kUndecided) return client == Verdict::kIgnored;
    if (tracked) return false;
    return DecideByFiles(path, is_directory);
  }

 private:
  struct Level {
    std::string directory;
    bool by_client = false;  // it is ignored, or one above it is
    bool by_files = false;
    IgnoreList list;
  };

  static bool IsBelow(const std::string& path, const std::string& directory) {
    return absl::StartsWith(path, directory) && path.size() > directory.size() &&
           path[directory.size()] == '/';
  }

  // The nearest file goes first.
  absl::StatusOr<bool> DecideByFiles(const std::string& path, bool is_directory) {
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      if (level->list.empty()) continue;
      const size_t skip = level->directory.empty() ? 0 : level->directory.size() + 1;
      ASSIGN_OR_RETURN(
          const Verdict verdict,
          level->list.Decide(absl::string_view(path).substr(skip), is_directory, &steps_));
      if (verdict != Verdict::kUndecided) return verdict == Verdict::kIgnored;
    }
    return false;
  }

  absl::Status Enter(std::string directory) {
    Level level;
    if (!levels_.empty()) {
      level.by_client = levels_.back().by_client;
      level.by_files = levels_.back().by_files;
      ASSIGN_OR_RETURN(const Verdict client, client_.Decide(directory, true, &steps_));
      if (client == Verdict::kIgnored) level.by_client = true;
      if (client == Verdict::kUndecided && !level.by_files) {
        ASSIGN_OR_RETURN(level.by_files, DecideByFiles(directory, true));
      }
    }
    const bool read = respect_gitignore_ && !level.by_client && !level.by_files &&
                      levels_.size() <= limits_.depth_max;
    if (read) {
      ASSIGN_OR_RETURN(const std::string content, read_(directory));
      RETURN_IF_ERROR(bytes_.Take(content.size(), directory));
      ASSIGN_OR_RETURN(level.list, IgnoreList::ParseFile(content, &patterns_, directory));
    }
    level.directory = std::move(directory);
    levels_.push_back(std::move(level));
    return absl::OkStatus();
  }

  const bool respect_gitignore_;
  ReadGitignore read_;
  const IgnoreLimits& limits_;
  Allowance patterns_;
  Allowance bytes_;
  Allowance steps_;
  IgnoreList client_;
  std::vector<Level> levels_;
};

}  // namespace

absl::Status LeaveOutIgnored(const std::vector<std::string>& client_patterns,
                             bool respect_gitignore, ReadGitignore read, const IgnoreLimits& limits,
                             std::vector<ListedChange>* changes) {
  if (client_patterns.empty() && !respect_gitignore) return absl::OkStatus();
  IgnoreWalk walk(respect_gitignore, read, limits);
  RETURN_IF_ERROR(walk.Begin(client_patterns));
  absl::Status status;
  std::erase_if(*changes, [&](const ListedChange& listed) {
    if (!status.ok()) return false;
    const Change& change = listed.change;
    const uint32_t mode = change.new_mode != kModeAbsent ? change.new_mode : change.old_mode;
    const auto ignored = walk.Ignores(change.path, mode == kModeDirectory, listed.in_base);
    if (!ignored.ok()) status = ignored.status();
    return ignored.ok() && *ignored;
  });
  return status;
}

namespace {

absl::StatusOr<std::string> ReadMerged(const Layers& layers, const std::string& directory,
                                       uint64_t bytes_max) {
  ASSIGN_OR_RETURN(OpenedFile upper, OpenDirectoryBeneath(layers.upper_fd, "."));
  ASSIGN_OR_RETURN(LayerView old, LayerView::OfRoots(layers.lower_fds));
  bool in_upper = true;
  std::vector<std::string> names =
      absl::StrSplit(absl::StrCat(layers.root, "/", directory), '/', absl::SkipEmpty());
  names.emplace_back(kGitignore);
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(LayerView::Entry below, old.Lookup(name));
    const bool last = &name == &names.back();
    if (in_upper) {
      ASSIGN_OR_RETURN(const bool opaque, IsOpaque(upper.fd.get()));
      if (opaque) below = {};
      struct stat stat {};
      ASSIGN_OR_RETURN(const bool found, StatEntry(upper.fd.get(), name, &stat));
      if (found) {
        ASSIGN_OR_RETURN(const bool whiteout, IsWhiteout(upper.fd.get(), name, stat));
        if (whiteout) return "";
        if (last) {
          if (!S_ISREG(stat.st_mode)) return "";
          ASSIGN_OR_RETURN(const OpenedFile file, OpenRegularBeneath(upper.fd.get(), name));
          return ReadWhole(file.fd.get(), bytes_max);
        }
        if (!S_ISDIR(stat.st_mode)) return "";
        ASSIGN_OR_RETURN(upper, OpenDirectoryBeneath(upper.fd.get(), name));
      }
      in_upper = found;
    }
    if (last) {
      if (below.kind != Kind::kOther || !S_ISREG(below.stat.st_mode)) return "";
      ASSIGN_OR_RETURN(const OpenedFile file, OpenRegularBeneath(below.dir_fd, name));
      return ReadWhole(file.fd.get(), bytes_max);
    }
    if (!in_upper && below.kind != Kind::kDirectory) return "";
    old = LayerView(std::move(below.parts));
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> ReadMergedGitignore(const Layers& layers, const std::string& directory,
                                                uint64_t bytes_max) {
  auto content = ReadMerged(layers, directory, bytes_max);
  // It is gone or another by now, or too long.
  if (IsRace(content.status()) || absl::IsResourceExhausted(content.status())) return "";
  return content;
}

}  // namespace glovebox
