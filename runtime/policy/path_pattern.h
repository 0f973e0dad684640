// Paths of HTTP requests: one spelling, and patterns over it. Pure.
#ifndef GLOVEBOX_POLICY_PATH_PATTERN_H_
#define GLOVEBOX_POLICY_PATH_PATTERN_H_

#include <bitset>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr size_t kRequestPathBytesMax = 8192;

// The path of a request's target ("/a/b?query"), without its query, in one spelling: %41 is A where
// RFC 3986 calls the letter unreserved, other escapes have capital digits.
//
// INVALID_ARGUMENT, INVALID_FIELD, for what two servers read differently, so that a rule could hold
// for one reading and the origin take the other: the segments "." and ".." (also as %2e, and before
// a ';'), an empty segment but the last ("//", which some servers fold), an escaped '/', '\', NUL
// or control character, a '\', a '#', anything beyond printable ASCII, a broken escape, and what
// does not begin with '/'. Refused and not mended: what was judged must be what is sent.
absl::StatusOr<std::string> NormalPath(absl::string_view target);

// "*" is any run of bytes within a segment, also none; "**" is any run with '/' too. All else is
// itself. Matching takes time in proportion to path times pattern.
class PathPattern {
 public:
  static constexpr size_t kBytesMax = 256;

  // INVALID_ARGUMENT, INVALID_FIELD: empty, too long, not beginning with '/' or '*', or with a byte
  // that no path in normal form has.
  static absl::StatusOr<PathPattern> Parse(absl::string_view text);

  // `normal_path`: of NormalPath.
  bool Matches(absl::string_view normal_path) const;
  const std::string& text() const { return text_; }

 private:
  using States = std::bitset<kBytesMax + 1>;  // which prefixes of the pattern fit so far

  std::string text_;
  std::map<char, States> literals_;  // at which places the byte stands
  States within_;                    // where "*" stands
  States across_;                    // where "**" stands
  size_t end_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_PATH_PATTERN_H_
