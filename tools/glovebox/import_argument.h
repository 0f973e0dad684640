// What `snapshot import` is to import: a repository, here or elsewhere, a tar file or a directory.
#ifndef GLOVEBOX_TOOLS_IMPORT_ARGUMENT_H_
#define GLOVEBOX_TOOLS_IMPORT_ARGUMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "glovebox/v1/snapshot.pb.h"

namespace glovebox {

struct ImportArgument {
  std::string source;     // PATH[@COMMIT]: what it is decides; or a URL
  std::string tar;        // --tar
  std::string directory;  // --directory
  std::string upload;     // --upload: of this host, not the daemon's
  std::string commit;     // --commit, of a repository: instead of @COMMIT
  std::string history;    // --history, of a repository
  // --secret, of a URL: one, if any. One that is empty is no name, and not as if there were none.
  std::vector<std::string> secrets;
  std::string user;  // --user, with it
};

// The request. What has "://" in it is a URL, which the daemon judges: nothing of it is split off
// or told. Without an option a directory with a repository in it and a bundle are repositories, as
// is what has a commit; other directories and files are trees and tar files. Of what is to be
// uploaded the request is not known yet: it has no source. INVALID_ARGUMENT unless exactly one is
// given, for a history or commit of what is no repository, and for a secret without a name.
absl::StatusOr<v1::ImportSnapshotRequest> ParseImportArgument(const ImportArgument& argument);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_IMPORT_ARGUMENT_H_
