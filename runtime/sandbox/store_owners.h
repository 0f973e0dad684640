// Whose each snapshot and image is. A file of its own beside the store: what a snapshot is does not
// depend on whose it is.
#ifndef GLOVEBOX_SANDBOX_STORE_OWNERS_H_
#define GLOVEBOX_SANDBOX_STORE_OWNERS_H_

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "sandbox/owner.h"

namespace glovebox {

// Thread-safe. A key is a snapshot's digest or "image:" and an image's name.
class StoreOwners {
 public:
  // `path`: the file, made with the first owner; "": nothing is kept. DATA_LOSS with reason
  // STATE_DB_DAMAGED when it is not what this class writes.
  static absl::StatusOr<std::unique_ptr<StoreOwners>> Open(const std::string& path);

  // Owner of what is for every client to see and to use; it gives nobody the right to delete it.
  static constexpr char kEverybody[] = "*";

  // Whether the viewer is among the owners; of what has none, administrators are.
  bool Owns(const Viewer& viewer, absl::string_view key) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, or it is everybody's.
  bool Sees(const Viewer& viewer, absl::string_view key) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::set<std::string> Of(absl::string_view key) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Beside those that it has.
  absl::Status Add(const std::string& key, const std::string& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  // In place of those of a thing of that name that has been deleted. None: forgets it.
  absl::Status Set(const std::string& key, const std::set<std::string>& owners)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets what is not there any more.
  absl::Status Keep(absl::FunctionRef<bool(const std::string& key)> is_there)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit StoreOwners(std::string path) : path_(std::move(path)) {}
  void Assign(const std::string& key, const std::set<std::string>& owners)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Write() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::set<std::string>> owners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_STORE_OWNERS_H_
