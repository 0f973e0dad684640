// Secrets of the host's clients, which rules can add to requests. A file for each below a directory
// that is the daemon's alone; no call gives a value back, but to the gateway.
#ifndef GLOVEBOX_SANDBOX_SECRET_BOOK_H_
#define GLOVEBOX_SANDBOX_SECRET_BOOK_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "policy/egress_policy.h"
#include "policy/secret_value.h"
#include "sandbox/owner.h"

namespace glovebox {

inline constexpr size_t kSecretsOfOneOwner = 256;
inline constexpr size_t kSecretsMax = 4096;  // of all

struct SecretInfo {
  std::string name;
  std::string owner;
  absl::Time created;
};

// Thread-safe; changes wait for the disk, and those of one secret for what is told of it.
class SecretBook {
 public:
  // A secret is another one, or gone. Called on the changing call's thread, before it returns and
  // before the next change of the same secret; at the same time for different ones.
  using Changed = std::function<void(const std::string& owner, const std::string& name)>;

  // `directory` is made, 0700. A file that is not what this class writes is left there, is no
  // secret, and is told of: a line of `problems` each. Errors of the file system.
  static absl::StatusOr<std::unique_ptr<SecretBook>> Open(const std::string& directory,
                                                          const Clock* clock,
                                                          std::vector<std::string>* problems);

  // Before others have the book.
  void OnChange(Changed changed) { changed_ = std::move(changed); }

  // A secret that is there with the same value is returned as it is. INVALID_ARGUMENT with reason
  // INVALID_FIELD; ALREADY_EXISTS with reason SECRET_EXISTS; RESOURCE_EXHAUSTED with reason
  // CLIENT_QUOTA or HOST_FULL; errors of the file system, and then there is none. If it was the
  // flush that failed, and the host crashes next, the next book may have it: retry, or delete it.
  absl::StatusOr<SecretInfo> Create(const std::string& owner, const std::string& name,
                                    std::string value) ABSL_LOCKS_EXCLUDED(mutex_);
  // NOT_FOUND with reason SECRET_NOT_FOUND; errors of the file system: of unlink, and then it is
  // there; of the flush, and then it is gone, but the next book may have it if the host crashes:
  // retry, and NOT_FOUND says that it is gone for good.
  absl::Status Delete(const std::string& owner, const std::string& name)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Those that `viewer` sees, by name, then owner.
  std::vector<SecretInfo> List(const Viewer& viewer) const ABSL_LOCKS_EXCLUDED(mutex_);

  // That the rules' secrets are there. NOT_FOUND with reason SECRET_NOT_FOUND; metadata field is
  // "rules[3].credential.secret_name".
  absl::Status CheckThere(const std::string& owner, const EgressPolicy& policy) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same for one. NOT_FOUND with reason SECRET_NOT_FOUND.
  absl::Status CheckThere(const std::string& owner, const std::string& name) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Those that the rules name and `owner` has.
  EgressSecrets Find(const std::string& owner, const EgressPolicy& policy) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Key = std::pair<std::string, std::string>;  // name, owner
  struct Entry {
    SecretValue value;
    absl::Time created;
  };

  SecretBook(UniqueFd directory, const Clock* clock)
      : directory_(std::move(directory)), clock_(clock) {}
  absl::Status Load(std::vector<std::string>* problems) ABSL_LOCKS_EXCLUDED(mutex_);
  void BeginChange(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndChange(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckRoom(const std::string& owner) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Write(const Key& key, const Entry& entry) const;
  absl::Status Flush() const;  // the names of files

  const UniqueFd directory_;
  const Clock* const clock_;
  Changed changed_;
  absl::Mutex disk_mutex_;  // of who writes files, and of the room for another one; before mutex_
  mutable absl::Mutex mutex_;
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::set<Key> changing_ ABSL_GUARDED_BY(mutex_);  // of calls: as many as those
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SECRET_BOOK_H_
