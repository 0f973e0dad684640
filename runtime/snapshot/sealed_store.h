// What the snapshot store and the image store have in common: a directory of entries, each a
// directory with disk.img (a sealed disk) and record.json, committed by rename, leased as layers;
// and, where the store wants it, a manifest. The time of its last use is that of record.json's last
// change, which outlives the daemon and costs no flush.
//
// On disk, beside the entries: ".staged-<id>" (being written) and ".deleted-<id>" (being removed);
// Open removes both. Everything is flushed before the rename that makes an entry, and the parent
// after it. What takes long (flushing, removing) is apart from the renames, so that nobody has to
// wait for it with a lock.
#ifndef GLOVEBOX_SNAPSHOT_SEALED_STORE_H_
#define GLOVEBOX_SNAPSHOT_SEALED_STORE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"

namespace glovebox {

// A sealed disk on its way into the store; removed from the disk unless it is committed.
class StagedEntry {
 public:
  ~StagedEntry();
  StagedEntry(const StagedEntry&) = delete;
  StagedEntry& operator=(const StagedEntry&) = delete;

  const Disk& disk() const { return *disk_; }  // attached read-only
  uint64_t image_bytes() const { return image_bytes_; }

 private:
  friend class SealedStore;
  explicit StagedEntry(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty once committed
  std::shared_ptr<const Disk> disk_;
  uint64_t image_bytes_ = 0;
};

struct StoredEntry {
  std::string name;
  std::string record;        // the bytes of record.json, at most RecordJson::kBytesMax
  uint64_t image_bytes = 0;  // apparent size of disk.img
  uint64_t host_bytes = 0;   // that its files take on the host's disk
  absl::Time last_used;      // when it was committed or last leased
};

// Thread-safe.
class SealedStore {
 public:
  // The subdirectory of an entry's disk that is its lowerdir.
  static constexpr char kRoot[] = "root";

  static absl::StatusOr<std::unique_ptr<SealedStore>> Open(const std::string& directory,
                                                           DiskFactory* disks, size_t idle_max);

  // Entries whose two files are there; the rest goes to `damaged` with a reason.
  absl::StatusOr<std::vector<StoredEntry>> Scan(std::vector<std::string>* damaged) const;

  absl::StatusOr<std::unique_ptr<StagedEntry>> Stage(std::unique_ptr<Disk> disk);

  // Writes what is kept beside the disk, and flushes it. `manifest` "": none is kept.
  static absl::Status Complete(const StagedEntry& staged, absl::string_view record,
                               absl::string_view manifest = "");

  // Makes it an entry, which can be leased from then on. ALREADY_EXISTS when `name` is there. A
  // power failure may take it back until Settle has returned OK.
  absl::Status Publish(StagedEntry& staged, const std::string& name);
  absl::Status Settle() const;

  // NOT_FOUND when the entry has none. Adds one to an entry without.
  absl::StatusOr<std::string> ReadManifest(const std::string& name, size_t bytes_max) const;
  absl::Status AddManifest(const std::string& name, absl::string_view manifest) const;

  bool IsLeased(const std::string& name);

  // Its time of last use is now.
  void Touch(const std::string& name) const;

  // As of Scan.
  absl::StatusOr<StoredEntry> Look(const std::string& name) const;

  // Attached once however many hold it; at most `idle_max` stay attached that nobody holds.
  // DATA_LOSS when disk.img has not `image_bytes` bytes.
  absl::StatusOr<Layer> Lease(const std::string& name, uint64_t image_bytes);

  // The entry is gone, and adds where its files are to `retired`, for Remove. ABORTED while a lease
  // is held: callers say which.
  absl::Status Retire(const std::string& name, std::vector<std::string>* retired);
  // The first error; what is left goes at the next Open.
  absl::Status Remove(const std::vector<std::string>& retired) const;

 private:
  struct Attached {
    std::string name;
    std::shared_ptr<const Disk> disk;  // use_count 1: nobody but this list holds it
  };

  SealedStore(std::string directory, DiskFactory* disks, size_t idle_max);
  std::string PathOf(absl::string_view name) const;
  void DropIdle();                                                      // needs mutex_
  std::list<Attached>::iterator FindAttached(const std::string& name);  // needs mutex_

  const std::string directory_;
  DiskFactory* const disks_;
  const size_t idle_max_;
  std::mutex mutex_;
  std::list<Attached> attached_;  // most recently leased first
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SEALED_STORE_H_
