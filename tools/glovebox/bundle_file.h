// Commits of a sandbox on their way into a file.
#ifndef GLOVEBOX_TOOLS_BUNDLE_FILE_H_
#define GLOVEBOX_TOOLS_BUNDLE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "tools/glovebox/connection.h"

namespace glovebox {

namespace v1 {
class ExportBundleRequest;
}  // namespace v1

// Writes what the daemon sends to `fd`, and checks its digest, which goes to `digest`. DATA_LOSS
// when the stream broke or something is not what was sent.
absl::Status WriteExport(Connection& connection, const v1::ExportBundleRequest& request, int fd,
                         std::string* digest);

// The same into a file, which is there as a whole or not at all; an old one is replaced.
absl::Status WriteExportFile(Connection& connection, const v1::ExportBundleRequest& request,
                             const std::string& path, std::string* digest);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_BUNDLE_FILE_H_
