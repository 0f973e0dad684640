// What the paths of one tree were at the points at which it was looked at, so that the difference
// between any two of these points can be told. Pure values; no system call.
//
// A state is what a scan's list says of it (change.h): a path that is listed has the list's new
// side, any other path is as in the base. Points are numbered: 0 is the base, and a look that finds
// something else than the look before it gets the next number. Per path the history keeps its
// versions, so the difference between points a and b is, for each path with a version in (a, b],
// what it was at a against what it is at b; a path that is the same at both is not in it.
// Differences therefore add up, whatever happened in between.
#ifndef GLOVEBOX_CHANGES_JOURNAL_HISTORY_H_
#define GLOVEBOX_CHANGES_JOURNAL_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "changes/change.h"
#include "changes/content.h"

namespace glovebox {

// What is at one path.
struct PathSide {
  uint32_t mode = kModeAbsent;
  uint64_t size_bytes = 0;
  std::string symlink_target;      // of a version; not of the base
  std::optional<Content> content;  // of a regular file; not of the base
};

struct PathVersion {
  uint64_t sequence = 0;  // the first point that has it
  bool as_base = false;   // then `side` is not used
  PathSide side;
};

// One path in the look that is recorded.
struct LookedAtPath {
  std::string path;
  PathSide base;
  uint32_t base_layer = 0;  // as Change::old_layer, where the base has something
  PathSide side;
};

// A list of changes as states of paths; contents are those that the book has.
std::vector<LookedAtPath> PathsOf(const std::vector<Change>& changes, ContentBook* book);

// A change between two points, and what is known of the new side beyond it.
struct ListedChange {
  Change change;  // `old_layer` and `symlink_target` of what is back as in the base
  std::optional<Content> content;  // are not filled: the base's, in `base_layer`
  bool in_base = false;            // the base has something at this path
  bool back_to_base = false;
  uint32_t base_layer = 0;
};

class JournalHistory {
 public:
  struct PathRecord {
    PathSide base;
    uint32_t base_layer = 0;
    std::vector<PathVersion> versions;  // ascending; never empty
  };
  using Paths = std::map<std::string, PathRecord, std::less<>>;

  uint64_t latest() const { return latest_; }
  // The oldest point other than 0 whose state is still known.
  uint64_t horizon() const { return horizon_; }
  bool Knows(uint64_t point) const { return point == 0 || (point >= horizon_ && point <= latest_); }
  // What it takes in memory, about.
  uint64_t bytes() const { return bytes_; }
  const Paths& paths() const { return paths_; }

  // Records a look, sorted by path, each path once; returns its point, which is the latest one when
  // nothing differs from that.
  uint64_t Record(std::vector<LookedAtPath> look);

  // Both must be known, `from` <= `to`. Bytewise by path, kDeleted before kAdded.
  std::vector<ListedChange> Between(uint64_t from, uint64_t to) const;

  // Gives up the points before `horizon`, but for 0.
  void Fold(uint64_t horizon);
  // A point whose Fold leaves at most half of the versions, or the latest one.
  uint64_t HalfwayHorizon() const;

  // What is known of the file at `path` if that is settled and has this fingerprint.
  const Content* Find(const std::string& path, const Fingerprint& fingerprint) const;
  // From now on fingerprints say nothing: the tree is another one.
  void DistrustFingerprints();

  // For what reads a history that was stored: versions in ascending order of their points.
  void Restore(LookedAtPath path, uint64_t sequence, bool as_base);
  void SetHorizon(uint64_t horizon) { horizon_ = horizon; }
  void SetLatest(uint64_t latest) { latest_ = latest; }

 private:
  void Append(PathRecord* record, PathVersion version);
  PathRecord* Ensure(LookedAtPath* path);
  static const PathVersion* At(const PathRecord& record, uint64_t point);
  bool HasBelow(const std::string& path, uint64_t point) const;

  uint64_t latest_ = 0;
  uint64_t horizon_ = 0;
  uint64_t bytes_ = 0;
  Paths paths_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_JOURNAL_HISTORY_H_
