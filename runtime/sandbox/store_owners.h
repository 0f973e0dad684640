// Who imported each snapshot and image first, and so may delete it. A file of its own beside the
// store: what a snapshot is does not depend on whose it is.
#ifndef GLOVEBOX_SANDBOX_STORE_OWNERS_H_
#define GLOVEBOX_SANDBOX_STORE_OWNERS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace glovebox {

// Thread-safe. A key is a snapshot's digest or "image:" and an image's name.
class StoreOwners {
 public:
  // `path`: the file, made with the first owner; "": nothing is kept. DATA_LOSS with reason
  // STATE_DB_DAMAGED when it is not what this class writes.
  static absl::StatusOr<std::unique_ptr<StoreOwners>> Open(const std::string& path);

  // "" when nobody is known: administrators'.
  std::string Of(absl::string_view key) const ABSL_LOCKS_EXCLUDED(mutex_);
  // In place of an earlier one: of a thing of that name that has been deleted.
  absl::Status Set(const std::string& key, const std::string& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove(const std::string& key) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit StoreOwners(std::string path) : path_(std::move(path)) {}
  absl::Status Write() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string, std::less<>> owners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_STORE_OWNERS_H_
