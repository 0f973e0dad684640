// Work that several threads ask for at the same time, done once.
#ifndef GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_
#define GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_

#include <condition_variable>
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
  // Calls `work` on this thread, or waits for the thread that is at the same `key` already and
  // returns what its work returned. `work` must not come back here with the same key.
  absl::StatusOr<T> Do(const std::string& key, absl::FunctionRef<absl::StatusOr<T>()> work) {
    std::unique_lock lock(mutex_);
    const auto [it, first] = flights_.try_emplace(key);
    if (first) it->second = std::make_shared<Flight>();
    const std::shared_ptr<Flight> flight = it->second;
    if (!first) {
      ++waiting_;
      landed_.wait(lock, [&] { return flight->result.has_value(); });
      --waiting_;
      return *flight->result;
    }
    lock.unlock();
    absl::StatusOr<T> result = work();
    lock.lock();
    flight->result = result;
    flights_.erase(key);
    landed_.notify_all();
    return result;
  }

  // Callers that wait for another's work now.
  int waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  struct Flight {
    std::optional<absl::StatusOr<T>> result;
  };
  mutable std::mutex mutex_;
  int waiting_ = 0;
  std::condition_variable landed_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SINGLE_FLIGHT_H_
