// Names that travel between the client, the state database and the host's file names. Parsing is
// the only way in, so a held id is always safe as a path component and as a log field.
#ifndef GLOVEBOX_BASE_IDS_H_
#define GLOVEBOX_BASE_IDS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// 128 random bits from getrandom(2) as 32 lower-case hex digits.
std::string NewRandomId();

// A sandbox id made by NewRandomId. INVALID_ARGUMENT for anything else.
absl::StatusOr<std::string> ParseSandboxId(absl::string_view text);

// A name that a client chooses (exec ids, image names): 1 to 63 of [a-z0-9._-], first and last
// alphanumeric. `what` names the field in the error.
absl::StatusOr<std::string> ParseClientName(absl::string_view text, absl::string_view what);

// "sha256:" + 64 lower-case hex digits.
absl::StatusOr<std::string> ParseDigest(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_IDS_H_
