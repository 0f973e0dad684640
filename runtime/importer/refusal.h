// The errors of an import: the source is refused, goes beyond a limit, or a system call failed.
#ifndef GLOVEBOX_IMPORTER_REFUSAL_H_
#define GLOVEBOX_IMPORTER_REFUSAL_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "snapshot/blob_digest.h"

namespace glovebox {

// INVALID_ARGUMENT: "NAME: WHY", the name escaped and cut.
absl::Status RefuseEntry(absl::string_view name, absl::string_view why);

// RESOURCE_EXHAUSTED, of the same form.
absl::Status EntryTooLarge(absl::string_view name, absl::string_view why);

// ABORTED: a blob of an upload is not there. DATA_LOSS: it is not what its digest says. Both begin
// with "blob " and BlobFileName.
absl::Status RefuseMissingBlob(const BlobDigest& digest, absl::string_view name);
absl::Status RefuseDamagedBlob(const BlobDigest& digest, absl::string_view name);

// The code that says it: ImporterExit.
int ExitCodeOf(const absl::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_REFUSAL_H_
