#include "snapshot/image_import.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "snapshot/import_progress.h"
#include "snapshot/import_source.h"
#include "snapshot/worker_failure.h"
#include "snapshot/worker_tree.h"

namespace glovebox {
namespace {

enum TarScriptExit { kTarMissing = 20, kTarFailed = 21, kNotARoot = 22 };

// Arguments: archive or directory, destination (made by the script). Names under dev/ are left out:
// a worker can make no devices, and a sandbox has a /dev of its own.
constexpr char kTarScript[] = R"sh(
set -u
archive=$1 root=$2
umask 022
command -v tar >/dev/null || exit 20
mkdir "$root" || exit 21
unpack() {
  tar --extract --file "$1" --directory "$root" --numeric-owner --same-permissions \
    --same-owner --delay-directory-restore --no-xattrs --no-acls --no-selinux --force-local \
    --exclude='./dev/*' --exclude='dev/*'
}
if [ -d "$archive" ]; then
  # What tar cannot read, or finds changed, is an error.
  { tar --create --file - --directory "$archive" --sparse --owner=0 --group=0 --no-xattrs \
    --no-acls --no-selinux --one-file-system --exclude='./dev/*' . || : >/packing-failed; } |
    unpack - || exit 21
  [ ! -e /packing-failed ] || exit 21
else
  unpack "$archive" || exit 21
fi
cd "$root" || exit 21
[ ! -d "$archive" ] || [ ! -d home/agent ] || [ -L home/agent ] || [ -L home ] ||
  chown -hR 1000:1000 home/agent || exit 21
[ -d usr ] && [ -d etc ] && [ ! -L usr ] && [ ! -L etc ] || exit 22
for directory in dev proc sys run tmp mnt media srv opt home root var; do
  [ -e "$directory" ] || mkdir "$directory" || exit 21
done
chmod 1777 tmp || exit 21
touch -a etc/passwd etc/group || exit 21
[ -f etc/passwd ] && [ -f etc/group ] || exit 22  # a FIFO would be waited for
grep -q '^[^:]*:[^:]*:1000:' etc/group || echo 'agent:x:1000:' >>etc/group || exit 21
grep -q '^[^:]*:[^:]*:1000:' etc/passwd ||
  echo 'agent:x:1000:1000::/home/agent:/bin/sh' >>etc/passwd || exit 21
[ -d home/agent ] || { mkdir home/agent && chown 1000:1000 home/agent; } || exit 21
)sh";

// What tar says at its end of an error that it went on after.
std::string WithoutVerdict(absl::string_view words) {
  std::vector<absl::string_view> lines = absl::StrSplit(words, '\n');
  std::erase_if(lines, [](absl::string_view line) {
    return absl::StrContains(line, "Exiting with failure status");
  });
  return absl::StrJoin(lines, "\n");
}

absl::Status TarFailure(const WorkerResult& result, const ImportSource& source) {
  if (result.exit_code == kTarMissing) return HostToolMissing("tar");
  const std::string words =
      result.exit_code == kNotARoot
          ? "it has no /usr and /etc, or an /etc/passwd or /etc/group that is "
            "no file: not a root file system"
          : absl::StrCat("tar failed: ", LastWords(WithoutVerdict(result.stderr_tail)));
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(source.path, ": ", words),
                       {"ARCHIVE_INVALID", {{"path", source.path}}});
}

}  // namespace

absl::StatusOr<ImageInfo> ImportImage(ImageStore* store, WorkerRunner* runner,
                                      const ImportLimits& limits,
                                      const ImageImportRequest& request) {
  ASSIGN_OR_RETURN(const std::string name, ParseImageName(request.name));
  // Known early: unpacking takes seconds. Commit decides.
  if (store->Find(name).ok()) {
    return DetailedError(absl::StatusCode::kAlreadyExists,
                         absl::StrCat("image \"", name, "\" exists"), {"IMAGE_EXISTS", {}});
  }
  ASSIGN_OR_RETURN(
      const ImportSource source,
      IdentifySource(request.path, request.is_directory ? "SOURCE_NOT_FOUND" : "ARCHIVE_NOT_FOUND",
                     request.allowed));
  if (source.is_directory != request.is_directory) {
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat(request.path, request.is_directory ? " is a file, not a directory"
                                                        : " is a directory, not a tar archive"),
        {"PATH_INVALID", {{"path", request.path}}});
  }
  WorkerJob job;
  job.arguments = {"/bin/sh", "-c", kTarScript, "import", "/mnt/archive", "/image-root"};
  job.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "LC_ALL=C"};
  job.binds = {{source.path, "/mnt/archive", source.pinned}};
  job.as_root_inside = true;
  job.disk_bytes = limits.disk_bytes;
  job.disk_inodes = limits.disk_inodes;
  job.memory_bytes = limits.memory_bytes;
  job.wall_limit = limits.wall_limit;
  ASSIGN_OR_RETURN(WorkerResult result, runner->Run(job));
  RETURN_IF_ERROR(LimitFailure(result, limits, source.path));
  if (result.exit_code != 0) return TarFailure(result, source);
  RETURN_IF_ERROR(KeepWorkerTree(*result.disk, "image-root", ""));
  return store->Commit(std::move(result.disk), name, request.path);
}

}  // namespace glovebox
