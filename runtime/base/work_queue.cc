#include "base/work_queue.h"

#include <utility>

namespace glovebox {
namespace {

constexpr size_t kWaitingParts = 4;  // so much of what may wait is one key's at most

}  // namespace

WorkQueue::WorkQueue(int threads, size_t waiting_max, size_t share_max)
    : waiting_max_(waiting_max), share_max_(share_max) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

WorkQueue::~WorkQueue() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool WorkQueue::TryRun(std::function<void()> work, const std::string& key) {
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() + aside_ >= waiting_max_) return false;
  const auto share = shares_.find(key);
  if (share != shares_.end() && share->second.aside.size() >= waiting_max_ / kWaitingParts) {
    return false;
  }
  Add(std::move(work), key);
  return true;
}

void WorkQueue::Run(std::function<void()> work, const std::string& key) {
  absl::MutexLock lock(&mutex_);
  Add(std::move(work), key);
}

void WorkQueue::Add(std::function<void()> work, const std::string& key) {
  if (share_max_ == 0 || key.empty()) return waiting_.push_back({std::move(work), ""});
  Share& share = shares_[key];
  if (share.open < share_max_) {
    ++share.open;
    waiting_.push_back({std::move(work), key});
  } else {
    ++aside_;
    share.aside.push_back(std::move(work));
  }
}

void WorkQueue::Done(const std::string& key) {
  if (key.empty()) return;
  absl::MutexLock lock(&mutex_);
  const auto it = shares_.find(key);
  Share& share = it->second;
  if (!share.aside.empty()) {
    waiting_.push_back({std::move(share.aside.front()), key});
    share.aside.pop_front();
    --aside_;
  } else if (--share.open == 0) {
    shares_.erase(it);
  }
}

void WorkQueue::Loop() {
  for (;;) {
    Piece piece;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return closing_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      // What is aside has another piece of its key before it, whose thread comes by here again.
      if (waiting_.empty()) return;
      piece = std::move(waiting_.front());
      waiting_.pop_front();
    }
    piece.work();
    piece.work = nullptr;  // what it owns goes before the next of its key begins
    Done(piece.key);
  }
}

}  // namespace glovebox
