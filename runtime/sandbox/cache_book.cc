#include "sandbox/cache_book.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status CacheNotFound(const std::string& name) {
  const std::string shown = EscapeForPeople(name, 80);
  return DetailedError(absl::StatusCode::kNotFound,
                       absl::StrCat("no cache of this client, and no shared one, is named \"",
                                    shown, "\" (glovebox cache ls)"),
                       {"CACHE_NOT_FOUND", {{"name", shown}}});
}

absl::Status NameTaken(const std::string& name, absl::string_view why) {
  return DetailedError(absl::StatusCode::kAlreadyExists, absl::StrCat("the name ", name, why),
                       {"CACHE_NAME_TAKEN", {{"name", name}}});
}

}  // namespace

CacheInfo CacheBook::Describe(const Key& key, const Entry& entry) {
  return {key.first,   entry.snapshot, key.second.empty(),
          entry.owner, entry.set,      entry.lease.empty()};
}

std::vector<std::string> CacheBook::Restore(const std::vector<CacheRow>& rows) {
  std::vector<std::string> problems;
  absl::MutexLock lock(&mutex_);
  for (const CacheRow& row : rows) {
    Entry entry{row.snapshot, row.owner, row.set, {}};
    absl::StatusOr<std::vector<Layer>> lease = snapshots_->Lease(row.snapshot);
    if (lease.ok()) {
      entry.lease = *std::move(lease);
    } else {
      problems.push_back(absl::StrCat("the cache ", EscapeForPeople(row.name, 80), ": ",
                                      lease.status().message()));
    }
    entries_[{row.name, row.scope}] = std::move(entry);
  }
  return problems;
}

// A shared name is nobody's own, and the other way round.
absl::Status CacheBook::CheckFree(const Key& key) const {
  const auto& [name, scope] = key;
  if (!scope.empty()) {
    if (!entries_.contains({name, ""})) return absl::OkStatus();
    return NameTaken(name, " is that of a shared cache; choose another one");
  }
  const auto first = entries_.lower_bound({name, ""});
  const bool taken =
      first != entries_.end() && first->first.first == name && !first->first.second.empty();
  if (!taken) return absl::OkStatus();
  return NameTaken(name, absl::StrCat(" is that of a cache of ", first->first.second,
                                      "; choose another one, or delete that"));
}

absl::StatusOr<CacheInfo> CacheBook::Set(const std::string& owner, const std::string& asked,
                                         const std::string& digest, bool shared) {
  ASSIGN_OR_RETURN(const std::string name, ParseClientName(asked, "name"));
  ASSIGN_OR_RETURN(std::vector<Layer> lease, snapshots_->Lease(digest));
  const Key key{name, shared ? "" : owner};
  std::vector<Layer> before;  // given back when nobody waits for the lock any more
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckFree(key));
  const auto same_scope = [&](const auto& item) { return item.first.second == key.second; };
  if (!entries_.contains(key) && std::count_if(entries_.begin(), entries_.end(), same_scope) >=
                                     static_cast<std::ptrdiff_t>(kCacheNamesMax)) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(shared ? "" : "this client has ", kCacheNamesMax,
                     shared ? " caches are shared; delete some" : " names of caches; delete some"),
        {"CLIENT_QUOTA", {{"quota", "cache_names"}, {"limit", absl::StrCat(kCacheNamesMax)}}});
  }
  Entry entry{digest, owner, clock_->Now(), std::move(lease)};
  if (state_ != nullptr) {
    RETURN_IF_ERROR(state_->PutCache({name, key.second, owner, digest, entry.set}));
  }
  Entry& kept = entries_[key];
  before = std::move(kept.lease);
  kept = std::move(entry);
  return Describe(key, kept);
}

absl::Status CacheBook::Remove(const std::string& owner, const std::string& name, bool shared) {
  const Key key{name, shared ? "" : owner};
  std::map<Key, Entry>::node_type removed;
  absl::MutexLock lock(&mutex_);
  if (!entries_.contains(key)) return CacheNotFound(name);
  if (state_ != nullptr) RETURN_IF_ERROR(state_->EraseCache(name, key.second));
  removed = entries_.extract(key);
  return absl::OkStatus();
}

absl::StatusOr<std::string> CacheBook::Resolve(const std::string& owner, const std::string& name,
                                               std::vector<Layer>* layers) {
  std::string digest;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find({name, owner});
    if (found == entries_.end()) found = entries_.find({name, ""});
    if (found == entries_.end()) return CacheNotFound(name);
    digest = found->second.snapshot;
    *layers = found->second.lease;
  }
  // As whoever has one, for the time of last use; and the damage of a broken one is told.
  ASSIGN_OR_RETURN(*layers, snapshots_->Lease(digest));
  return digest;
}

bool CacheBook::IsShared(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  return entries_.contains({name, ""});
}

std::vector<CacheInfo> CacheBook::List(const Viewer& viewer) const {
  std::vector<CacheInfo> infos;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, entry] : entries_) {
    if (key.second.empty() || viewer.Sees(key.second)) infos.push_back(Describe(key, entry));
  }
  return infos;
}

}  // namespace glovebox
