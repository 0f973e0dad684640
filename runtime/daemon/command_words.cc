#include "daemon/command_words.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace glovebox {

static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint64_t>) == sizeof(EgressCommandWord));

absl::StatusOr<std::unique_ptr<CommandWords>> CommandWords::Make(uint32_t sandboxes_max) {
  const size_t size = std::max<uint32_t>(sandboxes_max, 1) * sizeof(EgressCommandWord);
  SharedMapping mapping;
  ASSIGN_OR_RETURN(UniqueFd fd, MakeReadableMemfd("egress-commands", size, &mapping));
  return std::unique_ptr<CommandWords>(
      new CommandWords(std::move(fd), std::move(mapping), sandboxes_max));
}

CommandWords::CommandWords(UniqueFd fd, SharedMapping mapping, uint32_t sandboxes_max)
    : fd_(std::move(fd)), mapping_(std::move(mapping)) {
  for (uint32_t word = sandboxes_max; word > 0; --word) free_.push_back(word - 1);
}

std::atomic<uint64_t>& CommandWords::At(uint32_t word) const {
  return reinterpret_cast<std::atomic<uint64_t>*>(mapping_.data())[word];
}

uint32_t CommandWords::Take(uint64_t sandbox) {
  absl::MutexLock lock(&mutex_);
  const auto [it, added] = of_.emplace(sandbox, 0);
  if (!added) return it->second;
  it->second = free_.back();
  free_.pop_back();
  At(it->second).store(kEgressSeveralCommands, std::memory_order_release);
  return it->second;
}

void CommandWords::Set(uint64_t sandbox, EgressCommandWord word) {
  absl::MutexLock lock(&mutex_);
  const auto found = of_.find(sandbox);
  if (found != of_.end()) At(found->second).store(word, std::memory_order_release);
}

void CommandWords::Leave(uint64_t sandbox) {
  absl::MutexLock lock(&mutex_);
  const auto found = of_.find(sandbox);
  if (found == of_.end()) return;
  free_.push_back(found->second);
  of_.erase(found);
}

}  // namespace glovebox
