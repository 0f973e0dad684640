// What people type behind the flags of the command line, and names that a sandbox's tar has.
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tools/glovebox/copy_names.h"
#include "tools/glovebox/repository_argument.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

void CheckNumbers(absl::string_view text) {
  if (const auto size = ParseSize(text); size.ok()) {
    Demand(*size >= 1 && *size <= INT64_MAX, "sizes are in range");
    Demand(!FormatSize(*size).empty(), "sizes can be shown");
  }
  if (const auto timeout = ParseTimeout(text); timeout.ok()) {
    Demand(*timeout >= absl::Milliseconds(1) && *timeout <= absl::Hours(24 * 3660),
           "times are in range");
    Demand(ParseTimeout(FormatSeconds(*timeout)).ok(), "times that are shown can be typed");
  }
  if (const auto millis = ParseCpuMillis(text); millis.ok()) {
    Demand(*millis >= 1 && *millis <= 4096 * 1000, "CPUs are in range");
  }
  if (const auto count = ParseCount(text, 1000); count.ok()) {
    Demand(*count >= 1 && *count <= 1000, "counts are in range");
  }
}

void CheckNames(absl::string_view text, absl::string_view other) {
  if (const auto renamed = RenameMember(text, other, "new"); renamed.ok()) {
    const std::string framed = "/" + *renamed + "/";
    Demand(framed.find("/../") == std::string::npos, "a member does not lead up");
    Demand(renamed->empty() || (*renamed)[0] != '/', "a member is not absolute");
  }
  const auto place = ParseCopyPlace(text);
  if (!place.ok()) return;
  const CopySource source = SplitSource(place->path);
  Demand(source.name.find('/') == std::string::npos, "a source's name is one component");
  for (const auto kind :
       {DestinationKind::kMissing, DestinationKind::kFile, DestinationKind::kDirectory}) {
    const auto target = PlanTarget(source, true, other, kind);
    if (target.ok()) {
      Demand(target->name.find('/') == std::string::npos, "a target's name is one component");
    }
  }
}

}  // namespace

void FuzzArgument(absl::string_view bytes) {
  FuzzInput input(bytes);
  const absl::string_view first = input.Line();
  const absl::string_view second = input.Rest();
  CheckNumbers(first);
  CheckNames(first, second);
  const auto repository =
      ParseRepositoryArgument(first, "/work", [](const std::string&) { return false; });
  if (repository.ok()) {
    Demand(repository->path.substr(0, 1) == "/", "a repository's path is absolute");
  }
}

}  // namespace glovebox
