// From what people type to what the daemon knows: shortened ids, and lists as a whole.
#ifndef GLOVEBOX_TOOLS_LOOKUP_H_
#define GLOVEBOX_TOOLS_LOOKUP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/sandbox.pb.h"
#include "glovebox/v1/snapshot.pb.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

// The one of `ids` that begins with `beginning`. INVALID_ARGUMENT for what cannot be a beginning (4
// hex digits at least) or fits several; NOT_FOUND when none fits. `what` names the kind of id in
// the error. Pure.
absl::StatusOr<std::string> FindByBeginning(absl::string_view what, absl::string_view beginning,
                                            const std::vector<std::string>& ids);

// A whole id is not looked up: whether it exists is the business of the call that it is for.
absl::StatusOr<std::string> ResolveSandbox(Connection& connection, absl::string_view text);

// "sha256:..." or the digits alone, whole or shortened.
absl::StatusOr<std::string> ResolveSnapshot(Connection& connection, absl::string_view text);

absl::StatusOr<std::vector<v1::Sandbox>> AllSandboxes(Connection& connection,
                                                      const v1::ListSandboxesRequest& filter);
absl::StatusOr<std::vector<v1::Image>> AllImages(Connection& connection);
absl::StatusOr<std::vector<v1::Cache>> AllCaches(Connection& connection);
absl::StatusOr<std::vector<v1::Secret>> AllSecrets(Connection& connection);
absl::StatusOr<std::vector<v1::Snapshot>> AllSnapshots(Connection& connection);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_LOOKUP_H_
