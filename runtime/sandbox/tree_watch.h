// One watched tree of one sandbox: notices that its files changed, lets them settle, looks (with
// the tree's journal, the only truth) and tells its followers that there is news.
//
// Events of the disk's file system are hints only. They are taken in before each look, so whatever
// happens after it leaves another one. Without them, and for what gives none, the tree is looked at
// from time to time while the sandbox works. All followers of a tree share one look, and looks are
// made only while a follower can take news; together they take a fifth of one processor at most.
#ifndef GLOVEBOX_SANDBOX_TREE_WATCH_H_
#define GLOVEBOX_SANDBOX_TREE_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "base/work_queue.h"
#include "changes/journal_cursor.h"
#include "changes/watch_pacer.h"
#include "linux/event_loop.h"
#include "linux/file_events.h"
#include "sandbox/sandbox.h"

namespace glovebox {

// All outlive every watch.
struct WatchDeps {
  EventLoop* events = nullptr;
  WorkQueue* looks = nullptr;
  const Clock* clock = nullptr;
  bool use_file_events = true;  // false: as where the kernel refuses them
};

// Thread-safe. Ends with the last reference to it.
class TreeWatch : public std::enable_shared_from_this<TreeWatch> {
 public:
  // The sandbox of that id as it is now: another object after a checkpoint was restored.
  using Find = std::function<absl::StatusOr<std::shared_ptr<Sandbox>>()>;

  // `root`: as in SandboxChanges::Of.
  static absl::StatusOr<std::shared_ptr<TreeWatch>> Open(const WatchDeps& deps, std::string root,
                                                         Find find);
  ~TreeWatch();
  TreeWatch(const TreeWatch&) = delete;
  TreeWatch& operator=(const TreeWatch&) = delete;

  struct News {
    uint64_t number = 0;               // of times that something else was found
    JournalPoint point;                // what was found last
    std::shared_ptr<Sandbox> sandbox;  // where
    absl::Status end;                  // not OK: there will be no more
  };
  News news() const ABSL_LOCKS_EXCLUDED(mutex_);

  // `on_news` is called after each Await that was not answered at once, on any thread; it must not
  // block.
  uint64_t Follow(std::function<void()> on_news) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unfollow(uint64_t follower) ABSL_LOCKS_EXCLUDED(mutex_);
  // True: there is other news than `known` now.
  bool Await(uint64_t follower, uint64_t known) ABSL_LOCKS_EXCLUDED(mutex_);
  // The files could not be had just now: looks again, and that is news whatever it finds.
  void LookAgain() ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t looks() const ABSL_LOCKS_EXCLUDED(mutex_);  // made so far
  HintQuality hint_quality() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Follower {
    std::function<void()> on_news;
    bool waits = false;
  };
  using Calls = std::vector<std::function<void()>>;

  TreeWatch(const WatchDeps& deps, std::string root, Find find)
      : deps_(deps), root_(std::move(root)), find_(std::move(find)) {}
  absl::Status Start();
  void OnReadable() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSandboxHint(FileHint hint) ABSL_LOCKS_EXCLUDED(mutex_);
  void DrainEvents(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseEvents() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What comes next: a look now, or something that is waited for.
  void Plan() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAt(std::optional<int64_t> when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AnyWaits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // On the queue, one at a time.
  void Run(void (TreeWatch::*work)()) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Look() ABSL_LOCKS_EXCLUDED(mutex_);
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);
  // `*final`: on an error, that it will not be better later.
  absl::StatusOr<JournalPoint> LookNow(bool* final) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<SandboxFiles> FindFiles(bool* final) ABSL_LOCKS_EXCLUDED(mutex_);
  void Bind(std::shared_ptr<Sandbox> sandbox) ABSL_LOCKS_EXCLUDED(mutex_);
  void OpenEvents(const SandboxFiles& files) ABSL_LOCKS_EXCLUDED(mutex_);
  Calls Note(const absl::StatusOr<JournalPoint>& found, bool final)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const WatchDeps deps_;
  const std::string root_;
  const Find find_;
  UniqueFd epoll_;  // of the two below; each is disarmed when it has woken the loop
  UniqueFd timer_;
  uint64_t loop_watch_ = 0;

  mutable absl::Mutex mutex_;
  std::optional<FileEvents> events_ ABSL_GUARDED_BY(mutex_);
  std::string disk_ ABSL_GUARDED_BY(mutex_);  // that they are of
  WatchPacer pacer_ ABSL_GUARDED_BY(mutex_){WatchPace{}};
  HintQuality quality_ ABSL_GUARDED_BY(mutex_) = HintQuality::kNone;
  WatchPoll poll_ ABSL_GUARDED_BY(mutex_){HintQuality::kNone};
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;  // something is on the queue
  bool tell_next_ ABSL_GUARDED_BY(mutex_) = true;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;  // one after another
  int64_t look_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t looks_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t cpu_us_ ABSL_GUARDED_BY(mutex_) = 0;
  News news_ ABSL_GUARDED_BY(mutex_);
  uint64_t hints_ ABSL_GUARDED_BY(mutex_) = 0;  // token, of news_.sandbox
  uint64_t next_follower_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Follower> followers_ ABSL_GUARDED_BY(mutex_);
};

// The trees that are watched now. Thread-safe.
class TreeWatches {
 public:
  static constexpr size_t kFollowersPerTreeMax = 16;
  static constexpr size_t kFollowersMax = 1024;

  explicit TreeWatches(const WatchDeps& deps) : deps_(deps) {}

  // A place among the followers of one tree, given back on destruction.
  class Place {
   public:
    Place(TreeWatches* watches, std::string key, std::shared_ptr<TreeWatch> watch)
        : watches_(watches), key_(std::move(key)), watch_(std::move(watch)) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    TreeWatch& watch() const { return *watch_; }

   private:
    TreeWatches* const watches_;
    const std::string key_;
    std::shared_ptr<TreeWatch> watch_;
  };

  // RESOURCE_EXHAUSTED with reason WATCH_LIMIT; must not outlive this.
  absl::StatusOr<std::unique_ptr<Place>> Take(const std::string& sandbox_id,
                                              const std::string& root, TreeWatch::Find find)
      ABSL_LOCKS_EXCLUDED(mutex_);

  WorkQueue* queue() const { return deps_.looks; }

 private:
  struct Entry {
    std::weak_ptr<TreeWatch> watch;
    size_t followers = 0;
  };

  void GiveBack(const std::string& key) ABSL_LOCKS_EXCLUDED(mutex_);

  const WatchDeps deps_;
  absl::Mutex mutex_;
  size_t followers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_TREE_WATCH_H_
