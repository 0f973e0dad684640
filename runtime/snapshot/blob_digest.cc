#include "snapshot/blob_digest.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

constexpr size_t kHashDigits = 64;
constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

bool IsHash(absl::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

absl::StatusOr<BlobDigest> MakeBlobDigest(absl::string_view hash, int64_t size_bytes) {
  if (!IsHash(hash)) {
    return absl::InvalidArgumentError("a hash has 64 lower-case hexadecimal digits");
  }
  if (size_bytes < 0) return absl::InvalidArgumentError("a size is not negative");
  if ((size_bytes == 0) != (hash == kEmptyHash)) {
    return absl::InvalidArgumentError("the hash is not of so many bytes");
  }
  return BlobDigest{std::string(hash), static_cast<uint64_t>(size_bytes)};
}

bool IsEmptyBlob(const BlobDigest& digest) { return digest.size_bytes == 0; }

std::string BlobFileName(const BlobDigest& digest) {
  return absl::StrCat(digest.hash, "-", digest.size_bytes);
}

std::optional<BlobDigest> ParseBlobFileName(absl::string_view name) {
  int64_t size = 0;
  if (name.size() < kHashDigits + 2 || name[kHashDigits] != '-' ||
      !absl::SimpleAtoi(name.substr(kHashDigits + 1), &size)) {
    return std::nullopt;
  }
  absl::StatusOr<BlobDigest> digest = MakeBlobDigest(name.substr(0, kHashDigits), size);
  // One file has one name.
  if (!digest.ok() || IsEmptyBlob(*digest) || BlobFileName(*digest) != name) return std::nullopt;
  return *std::move(digest);
}

}  // namespace glovebox
