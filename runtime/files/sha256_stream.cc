#include "files/sha256_stream.h"

#define OPENSSL_SUPPRESS_DEPRECATED  // the newer functions load a library's configuration first
#include <openssl/sha.h>

#include <new>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

SHA256_CTX* Context(unsigned char* state) { return reinterpret_cast<SHA256_CTX*>(state); }

}  // namespace

Sha256Stream::Sha256Stream() {
  static_assert(sizeof(SHA256_CTX) <= sizeof(state_) && alignof(SHA256_CTX) <= 8);
  ::SHA256_Init(new (state_) SHA256_CTX);
}

void Sha256Stream::Update(absl::string_view bytes) {
  ::SHA256_Update(Context(state_), bytes.data(), bytes.size());
}

std::string Sha256Stream::Digest() {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256_Final(digest, Context(state_));
  return absl::StrCat("sha256:", absl::BytesToHexString(absl::string_view(
                                     reinterpret_cast<const char*>(digest), sizeof(digest))));
}

}  // namespace glovebox
