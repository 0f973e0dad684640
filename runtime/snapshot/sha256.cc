#include "snapshot/sha256.h"

#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace glovebox {
namespace {

// These fail only without memory or without SHA-256 in the library: no digest must come of that.
void Check(int result) {
  if (result != 1) std::abort();
}

}  // namespace

Sha256::Sha256() : context_(::EVP_MD_CTX_new()) {
  Check(context_ != nullptr ? 1 : 0);
  Check(::EVP_DigestInit_ex(context_, ::EVP_sha256(), nullptr));
}

Sha256::~Sha256() { ::EVP_MD_CTX_free(context_); }

void Sha256::Update(absl::string_view bytes) {
  Check(::EVP_DigestUpdate(context_, bytes.data(), bytes.size()));
}

void Sha256::UpdateField(absl::string_view bytes) {
  char length[8];
  for (int i = 0; i < 8; ++i) {
    length[i] = static_cast<char>((uint64_t{bytes.size()} >> (8 * i)) & 0xff);
  }
  Update(absl::string_view(length, sizeof length));
  Update(bytes);
}

std::string Sha256::FinishHex() {
  unsigned char digest[32];
  unsigned length = 0;
  Check(::EVP_DigestFinal_ex(context_, digest, &length));
  Check(::EVP_DigestInit_ex(context_, ::EVP_sha256(), nullptr));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

}  // namespace glovebox
