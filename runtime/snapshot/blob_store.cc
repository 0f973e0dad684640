#include "snapshot/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/blob_file.h"
#include "snapshot/blob_index.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr size_t kOwnersMax = 100'000;
constexpr size_t kFilesMax = 4'000'000;  // of an owner
constexpr char kPartial[] = ".partial-";
constexpr char kFresh[] = ".fresh-";
// A time is noted on disk no more often than this, so a daemon that starts keeps blobs that longer.
constexpr absl::Duration kNotedApart = absl::Minutes(1);

// The directory of an owner, whatever its name has in it.
std::string KeyOf(const std::string& owner) {
  Sha256 key;
  key.UpdateField(owner);
  return key.FinishHex();
}

}  // namespace

// What has come of a blob. Found again by the next stream for it, until it is finished.
struct BlobUpload::Part {
  enum class Stage { kOpen, kComparing, kEnded };

  Part(std::string owner_key, BlobDigest named, std::string file)
      : owner(std::move(owner_key)), digest(std::move(named)), path(std::move(file)) {}

  const std::string owner;  // key
  const BlobDigest digest;
  const std::string path;
  // Guarded by the store's mutex.
  int users = 0;
  absl::Time used;
  // Taken after the store's.
  absl::Mutex mutex;
  Stage stage ABSL_GUARDED_BY(mutex) = Stage::kOpen;
  absl::Status outcome ABSL_GUARDED_BY(mutex);  // kEnded
  uint64_t accepted ABSL_GUARDED_BY(mutex) = 0;
  UniqueFd fd ABSL_GUARDED_BY(mutex);
};

struct BlobStore::State {
  using Part = BlobUpload::Part;
  using Parts = std::map<std::pair<std::string, BlobDigest>, std::shared_ptr<Part>>;

  State(std::string top, const Clock* time, const BlobLimits& most)
      : directory(std::move(top)),
        clock(time),
        limits(most),
        index(most, BlobStore::kKept + kNotedApart) {}

  std::string DirectoryOf(absl::string_view owner) const {
    return absl::StrCat(directory, "/", owner);
  }
  std::string PathOf(const std::string& owner, const BlobDigest& digest) const {
    return absl::StrCat(directory, "/", owner, "/", BlobFileName(digest));
  }
  std::string PartialOf(const std::string& owner, const BlobDigest& digest) const {
    return absl::StrCat(directory, "/", owner, "/", kPartial, BlobFileName(digest));
  }

  absl::Status Load() ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status LoadOwner(const std::string& owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void LoadFile(const std::string& owner, const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool Mention(const std::string& owner, const BlobDigest& digest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Reserve(const std::string& owner, const BlobDigest& digest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status MakeRoomForPart(const std::string& owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Drop(Parts::iterator part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void RemoveFile(const std::string& owner, const BlobDigest& digest) const;
  // A file that was compared becomes the blob.
  absl::Status Commit(const std::string& owner, const BlobDigest& digest, const std::string& file)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status EndPart(const std::shared_ptr<Part>& part, const absl::StatusOr<bool>& is_blob)
      ABSL_LOCKS_EXCLUDED(mutex);

  const std::string directory;
  const Clock* const clock;
  const BlobLimits limits;
  absl::Mutex mutex;
  BlobIndex index ABSL_GUARDED_BY(mutex);
  Parts parts ABSL_GUARDED_BY(mutex);
};

// --- opening ---

absl::Status BlobStore::State::Load() {
  const absl::MutexLock lock(&mutex);
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  ASSIGN_OR_RETURN(const std::vector<std::string> owners,
                   ListDirectoryAt(AT_FDCWD, directory, kOwnersMax));
  for (const std::string& owner : owners) RETURN_IF_ERROR(LoadOwner(owner));
  return absl::OkStatus();
}

absl::Status BlobStore::State::LoadOwner(const std::string& owner) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(AT_FDCWD, DirectoryOf(owner), kFilesMax));
  for (const std::string& name : names) LoadFile(owner, name);
  (void)::rmdir(DirectoryOf(owner).c_str());  // where nothing is left
  return absl::OkStatus();
}

void BlobStore::State::LoadFile(const std::string& owner, const std::string& name) {
  const std::string path = absl::StrCat(DirectoryOf(owner), "/", name);
  absl::string_view rest = name;
  const bool partial = absl::ConsumePrefix(&rest, kPartial);
  const std::optional<BlobDigest> digest = ParseBlobFileName(rest);
  struct stat status {};
  const bool regular = ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  const auto size = static_cast<uint64_t>(status.st_size);
  const absl::Time used = absl::TimeFromTimespec(status.st_mtim);
  if (regular && digest.has_value() && !partial && size == digest->size_bytes) {
    index.Take(owner, size);
    (void)index.Add(owner, *digest, used);
    return;
  }
  if (regular && digest.has_value() && partial && size <= digest->size_bytes &&
      used > clock->Now() - kKept) {
    index.Take(owner, digest->size_bytes);
    auto part = std::make_shared<Part>(owner, *digest, path);
    part->used = used;
    const absl::MutexLock lock(&part->mutex);
    part->accepted = size;
    parts[{owner, *digest}] = part;
    return;
  }
  (void)RemoveTreeAt(AT_FDCWD, path);  // what stays is tried again at the next start
}

absl::StatusOr<std::unique_ptr<BlobStore>> BlobStore::Open(const std::string& directory,
                                                           const Clock* clock,
                                                           const BlobLimits& limits) {
  auto state = std::make_shared<State>(directory, clock, limits);
  RETURN_IF_ERROR(state->Load());
  return std::unique_ptr<BlobStore>(new BlobStore(std::move(state)));
}

BlobStore::~BlobStore() = default;

// --- with the mutex ---

bool BlobStore::State::Mention(const std::string& owner, const BlobDigest& digest) {
  const absl::Time now = clock->Now();
  const std::optional<absl::Time> before = index.Mention(owner, digest, now);
  if (!before.has_value()) return false;
  if (now - *before < kNotedApart) {
    (void)index.Mention(owner, digest, *before);  // as it is on disk
    return true;
  }
  const timespec times[2] = {absl::ToTimespec(now), absl::ToTimespec(now)};
  // A time that cannot be noted makes it look older to the next daemon, no more.
  (void)::utimensat(AT_FDCWD, PathOf(owner, digest).c_str(), times, AT_SYMLINK_NOFOLLOW);
  return true;
}

void BlobStore::State::RemoveFile(const std::string& owner, const BlobDigest& digest) const {
  (void)::unlink(PathOf(owner, digest).c_str());  // else the next daemon has it again
}

absl::Status BlobStore::State::Reserve(const std::string& owner, const BlobDigest& digest) {
  RETURN_IF_ERROR(index.Reserve(
      owner, digest.size_bytes, clock->Now(),
      [this](const std::string& of, const BlobDigest& stale) { RemoveFile(of, stale); }));
  absl::Status made = MakeDirectoryAt(AT_FDCWD, DirectoryOf(owner), 0700);
  if (!made.ok()) index.GiveBack(owner, digest.size_bytes);
  return made;
}

absl::Status BlobStore::State::MakeRoomForPart(const std::string& owner) {
  uint64_t count = 0;
  auto idle = parts.end();
  for (auto it = parts.begin(); it != parts.end(); ++it) {
    if (it->first.first != owner) continue;
    ++count;
    if (it->second->users == 0 && (idle == parts.end() || it->second->used < idle->second->used)) {
      idle = it;
    }
  }
  if (count < limits.client_unfinished_max) return absl::OkStatus();
  if (idle == parts.end()) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat(limits.client_unfinished_max,
                                      " uploads (uploads.client_unfinished_max) are under way"),
                         {"CLIENT_QUOTA",
                          {{"quota", "client_unfinished_max"},
                           {"limit", absl::StrCat(limits.client_unfinished_max)}}});
  }
  Drop(idle);
  return absl::OkStatus();
}

void BlobStore::State::Drop(Parts::iterator part) {
  (void)::unlink(part->second->path.c_str());  // else the next start does
  const auto [owner, digest] = part->first;
  parts.erase(part);
  index.GiveBack(owner, digest.size_bytes);
}

absl::Status BlobStore::State::Commit(const std::string& owner, const BlobDigest& digest,
                                      const std::string& file) {
  if (index.Has(owner, digest)) {
    (void)::unlink(file.c_str());  // else the next start does
    (void)Mention(owner, digest);
    index.GiveBack(owner, digest.size_bytes);
    return absl::OkStatus();
  }
  if (::rename(file.c_str(), PathOf(owner, digest).c_str()) != 0) {
    absl::Status failed = ErrnoError(errno, "rename of a blob");
    (void)::unlink(file.c_str());
    index.GiveBack(owner, digest.size_bytes);
    return failed;
  }
  (void)index.Add(owner, digest, clock->Now());
  return absl::OkStatus();
}

// --- what clients ask ---

std::vector<BlobDigest> BlobStore::FindMissing(const std::string& owner,
                                               const std::vector<BlobDigest>& digests) {
  const std::string key = KeyOf(owner);
  std::set<BlobDigest> seen;
  std::vector<BlobDigest> missing;
  const absl::MutexLock lock(&state_->mutex);
  for (const BlobDigest& digest : digests) {
    if (IsEmptyBlob(digest) || !seen.insert(digest).second) continue;
    if (!state_->Mention(key, digest)) missing.push_back(digest);
  }
  return missing;
}

absl::Status BlobStore::Put(const std::string& owner, const BlobDigest& digest,
                            absl::string_view bytes) {
  Sha256 sum;
  sum.Update(bytes);
  if (bytes.size() != digest.size_bytes || sum.FinishHex() != digest.hash) {
    return DigestMismatch(digest);
  }
  if (IsEmptyBlob(digest)) return absl::OkStatus();
  State& state = *state_;
  const std::string key = KeyOf(owner);
  {
    const absl::MutexLock lock(&state.mutex);
    if (state.Mention(key, digest)) return absl::OkStatus();
    RETURN_IF_ERROR(state.Reserve(key, digest));
  }
  const std::string fresh = absl::StrCat(state.DirectoryOf(key), "/", kFresh, NewRandomId());
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
  absl::Status written = fd.ok() ? WriteBlobAt(fd->get(), 0, bytes) : fd.status();
  const absl::MutexLock lock(&state.mutex);
  if (written.ok()) return state.Commit(key, digest, fresh);
  (void)::unlink(fresh.c_str());  // else the next start does
  state.index.GiveBack(key, digest.size_bytes);
  return written;
}

absl::StatusOr<std::unique_ptr<BlobUpload>> BlobStore::Begin(const std::string& owner,
                                                             const BlobDigest& digest) {
  State& state = *state_;
  const std::string key = KeyOf(owner);
  const absl::MutexLock lock(&state.mutex);
  if (IsEmptyBlob(digest) || state.Mention(key, digest)) {
    return std::unique_ptr<BlobUpload>(new BlobUpload(this, digest, nullptr));
  }
  auto found = state.parts.find({key, digest});
  if (found == state.parts.end()) {
    RETURN_IF_ERROR(state.MakeRoomForPart(key));
    RETURN_IF_ERROR(state.Reserve(key, digest));
    auto part = std::make_shared<BlobUpload::Part>(key, digest, state.PartialOf(key, digest));
    found = state.parts.emplace(std::pair(key, digest), std::move(part)).first;
  }
  ++found->second->users;
  return std::unique_ptr<BlobUpload>(new BlobUpload(this, digest, found->second));
}

// --- uploads ---

BlobUpload::~BlobUpload() {
  if (part_ == nullptr) return;
  BlobStore::State& state = *store_->state_;
  const absl::MutexLock lock(&state.mutex);
  part_->used = state.clock->Now();
  const auto found = state.parts.find({part_->owner, digest_});
  if (--part_->users > 0 || found == state.parts.end() || found->second != part_) return;
  bool begun = false;
  {
    const absl::MutexLock part_lock(&part_->mutex);
    begun = part_->accepted > 0;
    part_->fd.Reset();  // until it is gone on with
  }
  if (!begun) state.Drop(found);
}

uint64_t BlobUpload::accepted() const {
  if (part_ == nullptr) return digest_.size_bytes;
  const absl::MutexLock lock(&part_->mutex);
  return part_->accepted;
}

absl::Status BlobUpload::Write(uint64_t offset, absl::string_view bytes) {
  if (offset > digest_.size_bytes || bytes.size() > digest_.size_bytes - offset) {
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("data: goes beyond the ", digest_.size_bytes, " bytes that the digest names"),
        {"INVALID_FIELD", {{"field", "data"}}});
  }
  if (part_ == nullptr) return absl::OkStatus();
  Part& part = *part_;
  const absl::MutexLock lock(&part.mutex);
  if (part.stage == Part::Stage::kEnded) return part.outcome;
  if (offset > part.accepted) {
    return DetailedError(
        absl::StatusCode::kOutOfRange,
        absl::StrCat("offset ", offset, " is beyond the ", part.accepted, " bytes that are kept"),
        {"UPLOAD_GAP", {{"accepted_offset", absl::StrCat(part.accepted)}}});
  }
  bytes.remove_prefix(std::min<uint64_t>(part.accepted - offset, bytes.size()));
  if (bytes.empty()) return absl::OkStatus();
  if (!part.fd.valid()) {
    ASSIGN_OR_RETURN(part.fd, OpenAt(AT_FDCWD, part.path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  }
  RETURN_IF_ERROR(WriteBlobAt(part.fd.get(), part.accepted, bytes));
  part.accepted += bytes.size();
  return absl::OkStatus();
}

absl::Status BlobUpload::Finish() {
  if (part_ == nullptr) return absl::OkStatus();
  Part& part = *part_;
  {
    const absl::MutexLock lock(&part.mutex);
    const auto settled = [&part]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(part.mutex) {
      return part.stage != Part::Stage::kComparing;
    };
    part.mutex.Await(absl::Condition(&settled));
    if (part.stage == Part::Stage::kEnded) return part.outcome;
    if (part.accepted != digest_.size_bytes) {
      return absl::FailedPreconditionError("the upload is not whole");
    }
    part.stage = Part::Stage::kComparing;
  }
  // Nobody writes any more: all of it is accepted.
  return store_->state_->EndPart(part_, IsBlobAt(part.path, digest_));
}

absl::Status BlobStore::State::EndPart(const std::shared_ptr<Part>& part,
                                       const absl::StatusOr<bool>& is_blob) {
  const absl::MutexLock lock(&mutex);
  const auto found = parts.find({part->owner, part->digest});
  absl::Status outcome = is_blob.status();
  if (is_blob.ok() && *is_blob) {
    outcome = Commit(part->owner, part->digest, part->path);
    parts.erase(found);
  } else {
    if (is_blob.ok()) outcome = DigestMismatch(part->digest);
    Drop(found);
  }
  const absl::MutexLock part_lock(&part->mutex);
  part->stage = Part::Stage::kEnded;
  part->outcome = outcome;
  part->fd.Reset();
  return outcome;
}

// --- imports and care ---

absl::StatusOr<BlobLease> BlobStore::Lease(const std::string& owner, const BlobDigest& digest) {
  const std::string key = KeyOf(owner);
  const absl::MutexLock lock(&state_->mutex);
  if (!state_->Mention(key, digest)) return BlobNotFound(digest);
  BlobLease lease;
  lease.directory = state_->DirectoryOf(key);
  ASSIGN_OR_RETURN(UniqueFd pinned,
                   OpenAt(AT_FDCWD, lease.directory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  lease.pinned = std::make_shared<const UniqueFd>(std::move(pinned));
  state_->index.Hold(key);
  lease.hold = std::shared_ptr<const void>(nullptr, [state = state_, key](const void*) {
    const absl::MutexLock released(&state->mutex);
    state->index.Release(key);
  });
  return lease;
}

absl::Status BlobStore::Verify(const std::string& owner, const BlobDigest& digest) {
  const std::string key = KeyOf(owner);
  {
    const absl::MutexLock lock(&state_->mutex);
    if (!state_->Mention(key, digest)) return BlobNotFound(digest);
  }
  ASSIGN_OR_RETURN(const bool whole, IsBlobAt(state_->PathOf(key, digest), digest));
  if (whole) return absl::OkStatus();
  const absl::MutexLock lock(&state_->mutex);
  if (state_->index.Remove(key, digest)) state_->RemoveFile(key, digest);
  return BlobDamaged(digest);
}

BlobCollection BlobStore::Collect(bool dry_run) {
  State& state = *state_;
  BlobCollection done;
  const absl::MutexLock lock(&state.mutex);
  const absl::Time now = state.clock->Now();
  const auto count = [&](const BlobDigest& digest) {
    ++done.removed;
    done.bytes_freed += digest.size_bytes;
  };
  if (dry_run) {
    state.index.EachStale(now,
                          [&](const std::string&, const BlobDigest& digest) { count(digest); });
    done.bytes_used = state.index.bytes() - done.bytes_freed;
    return done;
  }
  state.index.RemoveStale(now, [&](const std::string& owner, const BlobDigest& digest) {
    count(digest);
    state.RemoveFile(owner, digest);
  });
  for (auto it = state.parts.begin(); it != state.parts.end();) {
    const auto part = it++;
    if (part->second->users == 0 && part->second->used <= now - kKept) state.Drop(part);
  }
  done.bytes_used = state.index.bytes();
  return done;
}

absl::Status BlobStore::Check(bool read_content,
                              absl::FunctionRef<absl::Status(const BlobCheck&)> tell) {
  std::vector<std::string> owners;
  {
    const absl::MutexLock lock(&state_->mutex);
    owners = state_->index.owners();
  }
  for (const std::string& owner : owners) {
    std::vector<BlobDigest> digests;
    {
      const absl::MutexLock lock(&state_->mutex);
      digests = state_->index.BlobsOf(owner);
    }
    std::vector<BlobCheck> damaged;
    for (const BlobDigest& digest : digests) {
      struct stat status {};
      const std::string path = state_->PathOf(owner, digest);
      absl::StatusOr<bool> whole = ::lstat(path.c_str(), &status) == 0 &&
                                   static_cast<uint64_t>(status.st_size) == digest.size_bytes;
      if (read_content && *whole) whole = IsBlobAt(path, digest);
      if (whole.ok() && *whole) continue;
      const absl::MutexLock lock(&state_->mutex);
      if (!state_->index.Has(owner, digest)) continue;  // collected meanwhile
      damaged.push_back({absl::StrCat(owner, "/", BlobFileName(digest)),
                         whole.ok() ? "its bytes are not what its digest says"
                                    : std::string(whole.status().message())});
    }
    if (digests.empty()) continue;
    RETURN_IF_ERROR(tell({owner, ""}));
    for (const BlobCheck& each : damaged) RETURN_IF_ERROR(tell(each));
  }
  return absl::OkStatus();
}

}  // namespace glovebox
