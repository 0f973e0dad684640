#include "snapshot/blob_index.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status OverQuota(const char* quota, uint64_t limit) {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("more than ", limit, " (uploads.", quota,
                                    ") is uploaded; what is not used for an hour makes room"),
                       {"CLIENT_QUOTA", {{"quota", quota}, {"limit", absl::StrCat(limit)}}});
}

absl::Status StoreFull(const BlobLimits& limits) {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       "what all clients uploaded takes all it may (uploads.bytes_max, "
                       "uploads.blobs_max); what is not used for an hour makes room",
                       {"STORE_FULL",
                        {{"bytes_max", absl::StrCat(limits.bytes_max)},
                         {"blobs_max", absl::StrCat(limits.blobs_max)},
                         {"remedy", "wait, or have the limits raised"}}});
}

}  // namespace

BlobIndex::Key BlobIndex::KeyOf(const BlobDigest& digest) {
  Key key{{}, digest.size_bytes};
  const std::string bytes = absl::HexStringToBytes(digest.hash);
  std::copy(bytes.begin(), bytes.end(), key.first.begin());
  return key;
}

BlobDigest BlobIndex::DigestOf(const Key& key) {
  return {absl::BytesToHexString(absl::string_view(key.first.data(), key.first.size())),
          key.second};
}

bool BlobIndex::Has(const std::string& owner, const BlobDigest& digest) const {
  const auto found = owners_.find(owner);
  return found != owners_.end() && found->second.blobs.count(KeyOf(digest)) != 0;
}

std::optional<absl::Time> BlobIndex::Mention(const std::string& owner, const BlobDigest& digest,
                                             absl::Time now) {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return std::nullopt;
  const auto blob = found->second.blobs.find(KeyOf(digest));
  if (blob == found->second.blobs.end()) return std::nullopt;
  return std::exchange(blob->second, now);
}

bool BlobIndex::Fits(const Owner& owner, uint64_t bytes) const {
  return owner.bytes + bytes <= limits_.client_bytes_max && owner.count < limits_.client_blobs_max;
}

bool BlobIndex::FitsAll(uint64_t bytes) const {
  return bytes_ + bytes <= limits_.bytes_max && count_ < limits_.blobs_max;
}

absl::Status BlobIndex::Reserve(const std::string& owner, uint64_t bytes, absl::Time now,
                                Remover remove) {
  if (bytes > limits_.blob_bytes_max) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat("a blob has at most ", limits_.blob_bytes_max, " bytes"),
                         {"IMPORT_TOO_LARGE", {{"limit", absl::StrCat(limits_.blob_bytes_max)}}});
  }
  Owner& own = owners_[owner];
  if (!Fits(own, bytes)) RemoveStaleOf(owner, &own, now, remove);
  absl::Status status;
  if (own.count >= limits_.client_blobs_max) {
    status = OverQuota("client_blobs_max", limits_.client_blobs_max);
  } else if (!Fits(own, bytes)) {
    status = OverQuota("client_bytes_max", limits_.client_bytes_max);
  } else if (!FitsAll(bytes)) {
    for (auto& [name, each] : owners_) RemoveStaleOf(name, &each, now, remove);
    if (!FitsAll(bytes)) status = StoreFull(limits_);
  }
  if (!status.ok()) {
    ForgetIfEmpty(owners_.find(owner));
    return status;
  }
  Take(owner, bytes);
  return absl::OkStatus();
}

void BlobIndex::Take(const std::string& owner, uint64_t bytes) {
  Owner& own = owners_[owner];
  own.bytes += bytes;
  ++own.count;
  bytes_ += bytes;
  ++count_;
}

void BlobIndex::GiveBack(const std::string& owner, uint64_t bytes) {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return;
  found->second.bytes -= bytes;
  --found->second.count;
  bytes_ -= bytes;
  --count_;
  ForgetIfEmpty(found);
}

bool BlobIndex::Add(const std::string& owner, const BlobDigest& digest, absl::Time mentioned) {
  Owner& own = owners_[owner];
  const bool added = own.blobs.try_emplace(KeyOf(digest), mentioned).second;
  if (added) {
    own.oldest = std::min(own.oldest, mentioned);
  } else {
    GiveBack(owner, digest.size_bytes);
  }
  return added;
}

bool BlobIndex::Remove(const std::string& owner, const BlobDigest& digest) {
  const auto found = owners_.find(owner);
  if (found == owners_.end() || found->second.blobs.erase(KeyOf(digest)) == 0) return false;
  GiveBack(owner, digest.size_bytes);
  return true;
}

void BlobIndex::Hold(const std::string& owner) { ++owners_[owner].holds; }

void BlobIndex::Release(const std::string& owner) {
  const auto found = owners_.find(owner);
  --found->second.holds;
  ForgetIfEmpty(found);
}

void BlobIndex::ForgetIfEmpty(std::map<std::string, Owner>::iterator owner) {
  if (owner->second.count == 0 && owner->second.holds == 0) owners_.erase(owner);
}

// A full scan is in vain, and then skipped, until the oldest that it left is stale.
void BlobIndex::RemoveStaleOf(const std::string& name, Owner* owner, absl::Time now,
                              Remover remove) {
  if (owner->holds > 0 || owner->oldest > now - kept_) return;
  absl::Time oldest = now;
  for (auto blob = owner->blobs.begin(); blob != owner->blobs.end();) {
    if (blob->second > now - kept_) {
      oldest = std::min(oldest, blob->second);
      ++blob;
      continue;
    }
    const uint64_t bytes = blob->first.second;
    remove(name, DigestOf(blob->first));
    blob = owner->blobs.erase(blob);
    owner->bytes -= bytes;
    --owner->count;
    bytes_ -= bytes;
    --count_;
  }
  owner->oldest = oldest;
}

void BlobIndex::RemoveStale(absl::Time now, Remover remove) {
  for (auto owner = owners_.begin(); owner != owners_.end();) {
    RemoveStaleOf(owner->first, &owner->second, now, remove);
    const auto done = owner++;
    ForgetIfEmpty(done);
  }
}

void BlobIndex::EachStale(absl::Time now, Remover look) const {
  for (const auto& [name, owner] : owners_) {
    if (owner.holds > 0) continue;
    for (const auto& [key, mentioned] : owner.blobs) {
      if (mentioned <= now - kept_) look(name, DigestOf(key));
    }
  }
}

std::vector<std::string> BlobIndex::owners() const {
  std::vector<std::string> names;
  for (const auto& [name, owner] : owners_) names.push_back(name);
  return names;
}

std::vector<BlobDigest> BlobIndex::BlobsOf(const std::string& owner) const {
  std::vector<BlobDigest> digests;
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return digests;
  for (const auto& [key, mentioned] : found->second.blobs) digests.push_back(DigestOf(key));
  return digests;
}

}  // namespace glovebox
