#include "base/sha256.h"

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

std::array<uint8_t, 32> Sha256::Finish() {
  std::array<uint8_t, 32> digest{};
  unsigned length = 0;
  Check(::EVP_DigestFinal_ex(context_, digest.data(), &length));
  Check(::EVP_DigestInit_ex(context_, ::EVP_sha256(), nullptr));
  return digest;
}

std::string Sha256::FinishHex() {
  const std::array<uint8_t, 32> digest = Finish();
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace glovebox
