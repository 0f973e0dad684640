// gitignore(5): which paths a list of patterns leaves out. Pure; the semantics are those of git's
// dir.c and wildmatch.c, case-sensitive.
//
// Work is bounded: patterns and their number have limits, matching has no exponential form, and
// its steps are counted against an allowance.
#ifndef GLOVEBOX_CHANGES_IGNORE_RULES_H_
#define GLOVEBOX_CHANGES_IGNORE_RULES_H_

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "changes/budget.h"

namespace glovebox {

inline constexpr size_t kIgnorePatternBytesMax = 4'096;

// One pattern, taken apart.
class IgnorePattern {
 public:
  // nullopt for a line that is none: empty, a comment, or of blanks. `line` without its newline;
  // RESOURCE_EXHAUSTED when it is too long.
  static absl::StatusOr<std::optional<IgnorePattern>> Parse(absl::string_view line);

  bool negated() const { return negated_; }
  // `path`: relative to the directory that the pattern is of. Charges what it takes to `steps`.
  absl::StatusOr<bool> Matches(absl::string_view path, bool is_directory, Allowance* steps) const;

 private:
  struct Token {
    enum class Kind {
      kByte,
      kAnyByte,    // but '/'
      kClass,      // but '/'
      kStar,       // any bytes but '/'
      kAllBytes,   // any bytes
      kAnyLevels,  // nothing, or any bytes and a '/'
      kNever,      // malformed: nothing matches
    };
    Kind kind = Kind::kByte;
    unsigned char byte = 0;
    size_t set = 0;  // kClass: index into sets_
  };
  class Parser;

  bool MatchesByte(const Token& token, unsigned char byte) const;
  absl::StatusOr<bool> MatchesText(absl::string_view text, Allowance* steps) const;

  bool negated_ = false;
  bool directories_only_ = false;
  bool name_only_ = false;  // no slash inside: of the last component, at any depth
  std::vector<Token> tokens_;
  std::vector<std::bitset<256>> sets_;
};

// The patterns of one .gitignore file, or of a client. Later ones win.
class IgnoreList {
 public:
  // The content of a file. `patterns`, one taken per pattern, and `where` for errors.
  static absl::StatusOr<IgnoreList> ParseFile(absl::string_view content, Allowance* patterns,
                                              absl::string_view where);
  // One line, as in a file.
  absl::Status Add(absl::string_view line, Allowance* patterns, absl::string_view where);

  enum class Verdict { kUndecided, kIgnored, kKept };
  // Of this path alone: whether a directory above it is ignored is another question.
  absl::StatusOr<Verdict> Decide(absl::string_view path, bool is_directory, Allowance* steps) const;
  bool empty() const { return patterns_.empty(); }

 private:
  std::vector<IgnorePattern> patterns_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_IGNORE_RULES_H_
