// SHA-256 by OpenSSL.
#ifndef GLOVEBOX_BASE_SHA256_H_
#define GLOVEBOX_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace glovebox {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);

  // Length and bytes, so that a sequence of fields has one reading only.
  void UpdateField(absl::string_view bytes);

  // Both: the object starts anew.
  std::array<uint8_t, 32> Finish();
  std::string FinishHex();  // 64 lower-case digits

 private:
  evp_md_ctx_st* const context_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_SHA256_H_
