// SHA-256 without the set-up of base/sha256.h, which loads a library configuration from the image,
// takes 1.3 ms at each start of the program and makes it 4 MB larger.
#ifndef GLOVEBOX_FILES_SHA256_STREAM_H_
#define GLOVEBOX_FILES_SHA256_STREAM_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace glovebox {

class Sha256Stream {
 public:
  Sha256Stream();
  void Update(absl::string_view bytes);
  std::string Digest();  // "sha256:" and 64 hex digits; once

 private:
  alignas(8) unsigned char state_[128];  // SHA256_CTX
};

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_SHA256_STREAM_H_
