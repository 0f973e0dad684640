// Where a copy goes: docker cp's rules on directories and renaming. Pure.
#ifndef GLOVEBOX_TOOLS_COPY_NAMES_H_
#define GLOVEBOX_TOOLS_COPY_NAMES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// One side of cp: "ID:PATH", a local path, or "-".
struct CopyPlace {
  std::optional<std::string> sandbox;  // none: a local path
  std::string path;
};

// "ID:PATH" when what is before the first ":" has no "/" and at least one character; "./a:b" is
// local.
absl::StatusOr<CopyPlace> ParseCopyPlace(absl::string_view text);

// A source: the directory that tar is told to enter, and the name in it that is taken. "dir/."
// takes the content.
struct CopySource {
  std::string directory;
  std::string name;  // "." for the content
  bool must_be_directory = false;
};
CopySource SplitSource(absl::string_view path);

enum class DestinationKind { kMissing, kFile, kDirectory };

// The directory to write in, and the name there that the source gets; "." spreads the content of a
// source directory.
struct CopyTarget {
  std::string directory;
  std::string name;
};
// INVALID_ARGUMENT: a directory onto a file; a file to a missing "dir/".
absl::StatusOr<CopyTarget> PlanTarget(const CopySource& source, bool source_is_directory,
                                      absl::string_view destination, DestinationKind kind);

// The name of a tar member after the copy: the first component, `top`, becomes `renamed`. Absolute
// names, "..", empty ones and such that do not begin with `top` are INVALID_ARGUMENT: an honest tar
// writes none. "" stands for the directory of the target itself, which is there already.
absl::StatusOr<std::string> RenameMember(absl::string_view member, absl::string_view top,
                                         absl::string_view renamed);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_COPY_NAMES_H_
