#include "sandbox/tree_watch.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "sandbox/sandbox_changes.h"

namespace glovebox {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kRetryFirstNs = 20'000'000;
constexpr int64_t kRetryLongestNs = kSecond;
// With the waits above about as long as putting a checkpoint back may take.
constexpr int kFailuresMax = 60;
constexpr uint64_t kTimerReady = 1;
constexpr uint64_t kEventsReady = 2;

// Not the time that passes: on a busy host a look takes long and costs the same.
int64_t ThreadCpuNanos() {
  timespec now{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);  // every thread has it
  return now.tv_sec * kSecond + now.tv_nsec;
}

absl::Status Control(int epoll, int operation, int fd, uint32_t events, uint64_t what) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = what;
  if (::epoll_ctl(epoll, operation, fd, &event) == 0) return absl::OkStatus();
  return ErrnoError(errno, "epoll_ctl");
}

}  // namespace

absl::StatusOr<std::shared_ptr<TreeWatch>> TreeWatch::Open(const WatchDeps& deps, std::string root,
                                                           Find find) {
  std::shared_ptr<TreeWatch> watch(new TreeWatch(deps, std::move(root), std::move(find)));
  RETURN_IF_ERROR(watch->Start());
  return watch;
}

absl::Status TreeWatch::Start() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return ErrnoError(errno, "epoll_create1");
  timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_.valid()) return ErrnoError(errno, "timerfd_create");
  RETURN_IF_ERROR(Control(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), EPOLLIN, kTimerReady));
  bool final = false;
  ASSIGN_OR_RETURN(const SandboxFiles files, FindFiles(&final));
  OpenEvents(files);
  {
    absl::MutexLock lock(&mutex_);
    pacer_.OnDemand(deps_.clock->MonotonicNanos());
  }
  ASSIGN_OR_RETURN(loop_watch_, deps_.events->Add(epoll_.get(), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnReadable();
  }));
  return absl::OkStatus();
}

TreeWatch::~TreeWatch() {
  if (loop_watch_ != 0) deps_.events->Remove(loop_watch_);
  absl::MutexLock lock(&mutex_);
  if (news_.sandbox != nullptr) news_.sandbox->file_hints().Remove(hints_);
}

TreeWatch::News TreeWatch::news() const {
  absl::MutexLock lock(&mutex_);
  return news_;
}

uint64_t TreeWatch::looks() const {
  absl::MutexLock lock(&mutex_);
  return looks_;
}

HintQuality TreeWatch::hint_quality() const {
  absl::MutexLock lock(&mutex_);
  return quality_;
}

uint64_t TreeWatch::Follow(std::function<void()> on_news) {
  absl::MutexLock lock(&mutex_);
  followers_[next_follower_] = {std::move(on_news)};
  return next_follower_++;
}

void TreeWatch::Unfollow(uint64_t follower) {
  std::function<void()> keep;  // destroyed outside the lock: it may own what calls back here
  absl::MutexLock lock(&mutex_);
  const auto it = followers_.find(follower);
  if (it == followers_.end()) return;
  keep = std::move(it->second.on_news);
  followers_.erase(it);
}

bool TreeWatch::Await(uint64_t follower, uint64_t known) {
  absl::MutexLock lock(&mutex_);
  if (news_.number != known || !news_.end.ok()) return true;
  const auto it = followers_.find(follower);
  if (it == followers_.end()) return false;
  it->second.waits = true;
  Plan();
  return false;
}

void TreeWatch::LookAgain() {
  absl::MutexLock lock(&mutex_);
  const int64_t now = deps_.clock->MonotonicNanos();
  tell_next_ = true;
  pacer_.OnDemand(now);
  pacer_.RestUntil(now + kRetryFirstNs);
  Plan();
}

bool TreeWatch::AnyWaits() const {
  return std::any_of(followers_.begin(), followers_.end(),
                     [](const auto& entry) { return entry.second.waits; });
}

// --- what wakes it ---

void TreeWatch::OnSandboxHint(FileHint hint) {
  absl::MutexLock lock(&mutex_);
  poll_.OnActivity();
  if (hint == FileHint::kFilesGo) pacer_.OnHint(deps_.clock->MonotonicNanos());
  Plan();
}

void TreeWatch::OnReadable() {
  std::array<epoll_event, 2> ready;
  const int count = ::epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);
  bool timer = false;
  for (int i = 0; i < count; ++i) {
    timer = timer || ready.at(static_cast<size_t>(i)).data.u64 == kTimerReady;
  }
  uint64_t expirations = 0;
  // Nothing to read: it was set anew meanwhile.
  if (timer) timer = ::read(timer_.get(), &expirations, sizeof expirations) > 0;
  absl::MutexLock lock(&mutex_);
  DrainEvents(deps_.clock->MonotonicNanos());
  const bool tick = timer && !busy_ && news_.end.ok() && !pacer_.due().has_value() && AnyWaits();
  if (tick) return Run(&TreeWatch::Tick);
  Plan();
}

void TreeWatch::DrainEvents(int64_t now) {
  if (!events_.has_value()) return;
  const absl::StatusOr<bool> any = events_->Drain();
  if (!any.ok()) return CloseEvents();
  if (!*any) return;
  poll_.OnActivity();
  pacer_.OnHint(now);
}

void TreeWatch::CloseEvents() {
  events_.reset();  // and with its last descriptor it leaves the epoll
  quality_ = HintQuality::kNone;
  poll_ = WatchPoll(quality_);
}

void TreeWatch::Plan() {
  if (!news_.end.ok() || busy_) return;
  const int64_t now = deps_.clock->MonotonicNanos();
  if (const std::optional<int64_t> due = pacer_.due(); due.has_value()) {
    // Events that come now are taken in from time to time, or left for the look after it.
    if (!AnyWaits()) return WakeAt(std::nullopt);
    if (now < *due) return WakeAt(pacer_.wake(now));
    pacer_.OnLookBegins();
    return Run(&TreeWatch::Look);
  }
  if (events_.has_value() &&
      !Control(epoll_.get(), EPOLL_CTL_MOD, events_->fd(), EPOLLIN | EPOLLONESHOT, kEventsReady)
           .ok()) {
    CloseEvents();
  }
  const std::optional<int64_t> wait = AnyWaits() ? poll_.wait(look_ns_) : std::nullopt;
  WakeAt(wait.has_value() ? std::optional(now + *wait) : std::nullopt);
}

void TreeWatch::WakeAt(std::optional<int64_t> when) {
  itimerspec value{};  // zero: never
  if (when.has_value()) {
    const int64_t at = std::max<int64_t>(*when, 1);
    value.it_value.tv_sec = at / kSecond;
    value.it_value.tv_nsec = at % kSecond;
  }
  (void)::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &value,
                          nullptr);  // it is ours, and valid
}

// --- on the queue ---

void TreeWatch::Run(void (TreeWatch::*work)()) {
  busy_ = true;
  deps_.looks->Run([self = shared_from_this(), work] { (self.get()->*work)(); });
}

// Nothing hinted at a change. What cannot have run has written nothing.
void TreeWatch::Tick() {
  const std::shared_ptr<Sandbox> sandbox = news().sandbox;
  const absl::StatusOr<SandboxUsage> usage = sandbox->Usage();
  absl::MutexLock lock(&mutex_);
  busy_ = false;
  // Without an answer the look finds out.
  const bool worked = !usage.ok() || usage->cpu_us != std::exchange(cpu_us_, usage->cpu_us);
  poll_.OnTick(worked, usage.ok() && usage->pids > 1);  // besides init
  if (worked || quality_ == HintQuality::kNone) pacer_.OnDemand(deps_.clock->MonotonicNanos());
  Plan();
}

void TreeWatch::Look() {
  const int64_t began = ThreadCpuNanos();
  bool final = false;
  const absl::StatusOr<JournalPoint> found = LookNow(&final);
  Calls calls;
  {
    absl::MutexLock lock(&mutex_);
    look_ns_ = ThreadCpuNanos() - began;
    ++looks_;
    busy_ = false;
    pacer_.OnLookEnds(deps_.clock->MonotonicNanos(), look_ns_);
    calls = Note(found, final);
    Plan();
  }
  for (const auto& call : calls) call();
}

TreeWatch::Calls TreeWatch::Note(const absl::StatusOr<JournalPoint>& found, bool final) {
  // What moves faster than it can be read is looked at again for as long as it does: a command must
  // not be able to end the watches of its files.
  if (!found.ok() && !final && (absl::IsAborted(found.status()) || ++failures_ < kFailuresMax)) {
    const int64_t now = deps_.clock->MonotonicNanos();
    tell_next_ = true;
    pacer_.OnDemand(now);
    pacer_.RestUntil(now + std::min(kRetryFirstNs << std::min(failures_, 10), kRetryLongestNs));
    return {};
  }
  if (found.ok()) {
    failures_ = 0;
    const bool same = *found == news_.point && found->sequence != kUnknownSequence;
    if (same && !std::exchange(tell_next_, false)) return {};
    tell_next_ = false;
    if (!same) poll_.OnActivity();
    news_.point = *found;
  } else {
    news_.end = found.status();
    CloseEvents();
    WakeAt(std::nullopt);
  }
  ++news_.number;
  Calls calls;
  for (auto& [token, follower] : followers_) {
    if (std::exchange(follower.waits, false)) calls.push_back(follower.on_news);
  }
  return calls;
}

absl::StatusOr<JournalPoint> TreeWatch::LookNow(bool* final) {
  ASSIGN_OR_RETURN(const SandboxFiles files, FindFiles(final));
  OpenEvents(files);
  ASSIGN_OR_RETURN(const std::shared_ptr<SandboxChanges> changes, news().sandbox->Changes());
  ASSIGN_OR_RETURN(const std::shared_ptr<ChangeJournal> journal, changes->Of(root_));
  const absl::StatusOr<ChangeJournal::Look> look = journal->LookNow(files.View(root_), files.disk);
  if (look.ok()) return look->point;
  // The files may be going away or be moved about, or the root is not a directory just now.
  *final = !absl::IsFailedPrecondition(look.status()) && !absl::IsNotFound(look.status()) &&
           !absl::IsUnavailable(look.status()) && !absl::IsAborted(look.status());
  return look.status();
}

absl::StatusOr<SandboxFiles> TreeWatch::FindFiles(bool* final) {
  const std::shared_ptr<Sandbox> known = news().sandbox;
  absl::Status gone;
  if (known != nullptr) {
    absl::StatusOr<SandboxFiles> files = known->OpenFiles();
    if (files.ok()) return files;
    *final = absl::IsUnavailable(files.status());  // the daemon stops
    if (*final) return files;
    gone = files.status();
  }
  absl::StatusOr<std::shared_ptr<Sandbox>> now = find_();
  *final = !now.ok();
  if (!now.ok()) return now.status();
  if (*now == known) return gone;
  Bind(*now);
  return (*now)->OpenFiles();
}

void TreeWatch::Bind(std::shared_ptr<Sandbox> sandbox) {
  const uint64_t token = sandbox->file_hints().Add([weak = weak_from_this()](FileHint hint) {
    if (auto self = weak.lock()) self->OnSandboxHint(hint);
  });
  std::shared_ptr<Sandbox> old = std::move(sandbox);  // destroyed outside the lock
  uint64_t old_token = token;
  {
    absl::MutexLock lock(&mutex_);
    news_.sandbox.swap(old);
    std::swap(hints_, old_token);
    tell_next_ = true;
    cpu_us_ = 0;
  }
  if (old != nullptr) old->file_hints().Remove(old_token);
}

void TreeWatch::OpenEvents(const SandboxFiles& files) {
  {
    absl::MutexLock lock(&mutex_);
    if (disk_ == files.disk) return;
  }
  absl::StatusOr<FileEvents> events = absl::UnavailableError("not to be used");
  if (deps_.use_file_events) events = FileEvents::Open(files.upper.get());
  absl::MutexLock lock(&mutex_);
  disk_ = files.disk;
  CloseEvents();
  // Not armed: that is Plan's.
  if (!events.ok() ||
      !Control(epoll_.get(), EPOLL_CTL_ADD, events->fd(), EPOLLONESHOT, kEventsReady).ok()) {
    return;
  }
  events_.emplace(*std::move(events));
  quality_ = FileEvents::TellsOverlayWrites() ? HintQuality::kAll : HintQuality::kMost;
  poll_ = WatchPoll(quality_);
}

// --- TreeWatches ---

TreeWatches::Place::~Place() {
  watch_.reset();
  watches_->GiveBack(key_);
}

absl::StatusOr<std::unique_ptr<TreeWatches::Place>> TreeWatches::Take(const std::string& sandbox_id,
                                                                      const std::string& root,
                                                                      TreeWatch::Find find) {
  const std::string key = absl::StrCat(sandbox_id, "/", root);
  absl::MutexLock lock(&mutex_);
  Entry& entry = entries_[key];
  const bool tree_full = entry.followers >= kFollowersPerTreeMax;
  if (tree_full || followers_ >= kFollowersMax) {
    const size_t limit = tree_full ? kFollowersPerTreeMax : kFollowersMax;
    if (entry.followers == 0) entries_.erase(key);
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(limit, " watches of ", tree_full ? "this sandbox" : "all sandboxes",
                     " are open already; end one"),
        {"WATCH_LIMIT", {{"limit", absl::StrCat(limit)}}});
  }
  std::shared_ptr<TreeWatch> watch = entry.watch.lock();
  if (watch == nullptr || !watch->news().end.ok()) {
    absl::StatusOr<std::shared_ptr<TreeWatch>> opened =
        TreeWatch::Open(deps_, root, std::move(find));
    if (!opened.ok()) {
      if (entry.followers == 0) entries_.erase(key);
      return opened.status();
    }
    watch = *std::move(opened);
    entry.watch = watch;
  }
  ++entry.followers;
  ++followers_;
  return std::make_unique<Place>(this, key, std::move(watch));
}

void TreeWatches::GiveBack(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  --followers_;
  const auto it = entries_.find(key);
  if (it != entries_.end() && --it->second.followers == 0) entries_.erase(it);
}

}  // namespace glovebox
