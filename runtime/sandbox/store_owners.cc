#include "sandbox/store_owners.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kFileBytesMax = size_t{64} << 20;

absl::Status Damaged(const std::string& path) {
  return DetailedError(
      absl::StatusCode::kDataLoss,
      absl::StrCat(path, " is damaged: not an object of lists of texts"),
      {"STATE_DB_DAMAGED",
       {{"path", path}, {"remedy", "remove it: what it named then belongs to administrators"}}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreOwners>> StoreOwners::Open(const std::string& path) {
  std::unique_ptr<StoreOwners> owners(new StoreOwners(path));
  if (path.empty()) return owners;
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path, kFileBytesMax);
  if (absl::IsNotFound(text.status())) return owners;
  RETURN_IF_ERROR(text.status());
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Damaged(path);
  absl::MutexLock lock(&owners->mutex_);
  for (const auto& [key, list] : json.items()) {
    // Earlier releases wrote the only owner.
    const auto names = list.is_string() ? nlohmann::json::array({list}) : list;
    if (!names.is_array()) return Damaged(path);
    for (const auto& name : names) {
      if (!name.is_string()) return Damaged(path);
      owners->owners_[key].insert(name.get<std::string>());
    }
  }
  return owners;
}

std::set<std::string> StoreOwners::Of(absl::string_view key) const {
  absl::MutexLock lock(&mutex_);
  const auto found = owners_.find(std::string(key));
  return found == owners_.end() ? std::set<std::string>() : found->second;
}

bool StoreOwners::Owns(const Viewer& viewer, absl::string_view key) const {
  const std::set<std::string> owners = Of(key);
  return viewer.Sees("") || std::any_of(owners.begin(), owners.end(), [&](const auto& owner) {
           return owner != kEverybody && viewer.Sees(owner);
         });
}

bool StoreOwners::Sees(const Viewer& viewer, absl::string_view key) const {
  return Of(key).contains(kEverybody) || Owns(viewer, key);
}

absl::Status StoreOwners::Add(const std::string& key, const std::string& owner) {
  absl::MutexLock lock(&mutex_);
  if (!owners_[key].insert(owner).second) return absl::OkStatus();
  absl::Status written = Write();
  if (!written.ok()) owners_[key].erase(owner);
  return written;
}

void StoreOwners::Assign(const std::string& key, const std::set<std::string>& owners) {
  if (owners.empty()) {
    owners_.erase(key);
  } else {
    owners_[key] = owners;
  }
}

absl::Status StoreOwners::Set(const std::string& key, const std::set<std::string>& owners) {
  absl::MutexLock lock(&mutex_);
  const auto before = owners_.find(key);
  if (before == owners_.end() && owners.empty()) return absl::OkStatus();
  std::set<std::string> old;
  if (before != owners_.end()) old = before->second;
  Assign(key, owners);
  absl::Status written = Write();
  if (!written.ok()) Assign(key, old);
  return written;
}

absl::Status StoreOwners::Keep(absl::FunctionRef<bool(const std::string& key)> is_there) {
  absl::MutexLock lock(&mutex_);
  const size_t gone = std::erase_if(owners_, [&](const auto& one) { return !is_there(one.first); });
  return gone == 0 ? absl::OkStatus() : Write();
}

// Made beside its place and renamed when it is whole.
absl::Status StoreOwners::Write() const {
  if (path_.empty()) return absl::OkStatus();
  const std::string fresh = absl::StrCat(path_, ".new");
  const std::string text =
      nlohmann::json(owners_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  ASSIGN_OR_RETURN(const UniqueFd file,
                   OpenAt(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  RETURN_IF_ERROR(WriteAll(file.get(), text));
  if (::fdatasync(file.get()) != 0) return ErrnoError(errno, absl::StrCat("fdatasync ", fresh));
  if (::rename(fresh.c_str(), path_.c_str()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rename to ", path_));
}

}  // namespace glovebox
