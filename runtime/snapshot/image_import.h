// From a root file system, as a tar file (plain, gzip, zstd, xz) or a directory, to an image. tar
// runs in a worker sandbox, as root inside, so ids and modes of the archive become those of the
// image (0..65535). The worker sees a directory as its owner does, who is root in the image as
// everybody else in it, but for /home/agent, which is the command user's. Names under /dev are
// left out; set-id bits stay in the image and have no effect in a sandbox (nosuid). What every
// image needs is added when it is missing: mount points, /tmp, the user agent and its home.
#ifndef GLOVEBOX_SNAPSHOT_IMAGE_IMPORT_H_
#define GLOVEBOX_SNAPSHOT_IMAGE_IMPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "snapshot/git_import.h"
#include "snapshot/image_store.h"
#include "snapshot/import_source.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

struct ImageImportRequest {
  std::string name;
  std::string path;  // absolute
  SourcePolicy allowed = nullptr;
  bool is_directory = false;  // else an archive
};

// Blocking; thread-safe. Errors: INVALID_ARGUMENT (name, path); ALREADY_EXISTS IMAGE_EXISTS;
// NOT_FOUND ARCHIVE_NOT_FOUND, SOURCE_NOT_FOUND; FAILED_PRECONDITION ARCHIVE_INVALID (with tar's
// last words), HOST_TOOL_MISSING, CONTENT_REFUSED; RESOURCE_EXHAUSTED IMPORT_TOO_LARGE.
absl::StatusOr<ImageInfo> ImportImage(ImageStore* store, WorkerRunner* runner,
                                      const ImportLimits& limits,
                                      const ImageImportRequest& request);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMAGE_IMPORT_H_
