// Changes and patches between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_CHANGE_H_
#define GLOVEBOX_SERVICE_CONVERT_CHANGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "changes/change.h"
#include "changes/patch_writer.h"
#include "glovebox/v1/change.pb.h"

namespace glovebox {

// Which part of a sandbox's files a request is about.
struct ChangeScope {
  std::string root;    // where the walk starts, relative to the sandbox's root; "": the root itself
  std::string prefix;  // relative to `root`; "": everything
  bool Contains(absl::string_view path) const;
};

// `path`: "" for the workdir, else absolute or relative to the workdir. What lies in the workdir is
// told relative to it, everything else relative to the root. INVALID_ARGUMENT for "..", NUL and
// overlong names.
absl::StatusOr<ChangeScope> ScopeFromProto(absl::string_view path, absl::string_view workdir);

v1::Change ToProto(const Change& change);
// Everything but the digest.
v1::DiffSummary ToProto(const PatchSummary& summary);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_CHANGE_H_
