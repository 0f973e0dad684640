// A path that cannot leave the directory it is used from, as bytes (names need not be UTF-8).
#ifndef GLOVEBOX_BASE_RELATIVE_PATH_H_
#define GLOVEBOX_BASE_RELATIVE_PATH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

class RelativePath {
 public:
  // Refuses with INVALID_ARGUMENT: absolute paths, empty ones, "." and ".." components, empty
  // components, NUL bytes, more than 4095 bytes (PATH_MAX - 1), components over 255 bytes
  // (NAME_MAX).
  static absl::StatusOr<RelativePath> Parse(absl::string_view text);

  const std::string& value() const { return value_; }
  const char* c_str() const { return value_.c_str(); }
  friend bool operator==(const RelativePath&, const RelativePath&) = default;

 private:
  explicit RelativePath(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_RELATIVE_PATH_H_
