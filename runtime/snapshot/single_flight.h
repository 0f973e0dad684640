// Work that several threads ask for at the same time, done once.
#ifndef GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_
#define GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace glovebox {

// Thread-safe.
template <typename T>
class SingleFlight {
 public:
  // Whether the caller wants no answer any more; asked on its thread, by who waits a few times a
  // second.
  using Gone = std::function<bool()>;

  // Calls `work` on this thread, or waits for the thread that is at the same `key` already and
  // returns what its work returned. `work` must not come back here with the same key.
  absl::StatusOr<T> Do(const std::string& key, absl::FunctionRef<absl::StatusOr<T>()> work) {
    return Do(
        key, [&](const Gone& /*unwanted*/) { return work(); }, nullptr);
  }

  // The same where callers may go. `work` may end with CANCELLED when `unwanted`, which it is given
  // and asks on its thread, is true: its own caller has gone, and no other waits. Who comes just
  // then does the work anew. Who goes while it waits gets CANCELLED. `gone` may be empty.
  absl::StatusOr<T> Do(const std::string& key,
                       absl::FunctionRef<absl::StatusOr<T>(const Gone& unwanted)> work,
                       const Gone& gone) {
    for (;;) {
      std::unique_lock lock(mutex_);
      const auto [it, first] = flights_.try_emplace(key);
      if (first) it->second = std::make_shared<Flight>();
      const std::shared_ptr<Flight> flight = it->second;
      if (first) {
        lock.unlock();
        return Land(key, flight.get(), work([&] { return IsUnwanted(*flight, gone); }));
      }
      if (!Wait(&lock, flight.get(), gone)) {
        return absl::CancelledError("the caller has gone");
      }
      const bool cancelled = absl::IsCancelled(flight->result->status());
      if (!cancelled || (gone && gone())) return *flight->result;
    }
  }

  // Callers that wait for another's work now.
  int waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  static constexpr std::chrono::milliseconds kAskInterval{250};

  struct Flight {
    int waiting = 0;
    std::optional<absl::StatusOr<T>> result;
  };
  absl::StatusOr<T> Land(const std::string& key, Flight* flight, absl::StatusOr<T> result) {
    const std::lock_guard lock(mutex_);
    flight->result = result;
    flights_.erase(key);
    landed_.notify_all();
    return result;
  }

  // False when the caller has gone before there was a result.
  bool Wait(std::unique_lock<std::mutex>* lock, Flight* flight, const Gone& gone) {
    const auto landed = [&] { return flight->result.has_value(); };
    bool stays = true;
    ++waiting_;
    ++flight->waiting;
    if (!gone) landed_.wait(*lock, landed);
    while (stays && !landed_.wait_for(*lock, kAskInterval, landed)) stays = !gone();
    --waiting_;
    --flight->waiting;
    return stays;
  }

  bool IsUnwanted(const Flight& flight, const Gone& gone) const {
    const std::lock_guard lock(mutex_);
    return gone && flight.waiting == 0 && gone();
  }

  mutable std::mutex mutex_;
  int waiting_ = 0;
  std::condition_variable landed_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_
