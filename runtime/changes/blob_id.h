// git's name of a file's content: SHA-1 of "blob <size>\0" and the bytes.
#ifndef GLOVEBOX_CHANGES_BLOB_ID_H_
#define GLOVEBOX_CHANGES_BLOB_ID_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace glovebox {

// The id that stands for "no file" in a patch.
inline constexpr absl::string_view kNoBlobId = "0000000000000000000000000000000000000000";

class BlobHasher {
 public:
  explicit BlobHasher(uint64_t size_bytes);
  void Update(absl::string_view bytes);
  std::string HexId();  // once

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string BlobId(absl::string_view content);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_BLOB_ID_H_
