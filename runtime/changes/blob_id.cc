#include "changes/blob_id.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace glovebox {

void BlobHasher::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

BlobHasher::BlobHasher(uint64_t size_bytes) : context_(EVP_MD_CTX_new()) {
  // Fails only without memory or on a host that forbids SHA-1; then HexId() is empty, which no id
  // equals and the caller refuses.
  if (EVP_DigestInit_ex(context_.get(), EVP_sha1(), nullptr) != 1) context_.reset();
  Update(absl::StrCat("blob ", size_bytes));
  Update(absl::string_view("\0", 1));
}

void BlobHasher::Update(absl::string_view bytes) {
  if (context_ == nullptr) return;
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) context_.reset();
}

std::string BlobHasher::HexId() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (context_ == nullptr || EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) return "";
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string BlobId(absl::string_view content) {
  BlobHasher hasher(content.size());
  hasher.Update(content);
  return hasher.HexId();
}

}  // namespace glovebox
