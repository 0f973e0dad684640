// glovebox-importer: runs in a worker sandbox and turns foreign input into trees there.
//
// A tar archive, or a directory:
//   glovebox-importer archive FROM TO BYTES_MAX
//   glovebox-importer directory FROM TO BYTES_MAX
//
// What was uploaded, of a directory of blobs and the name of one: a tar archive, or a Tree:
//   glovebox-importer blob-archive BLOBS FILE TO BYTES_MAX
//   glovebox-importer tree BLOBS FILE TO BYTES_MAX
//
// Which layers an OCI image has; prints oci_image.h's form:
//   glovebox-importer oci-resolve FROM PLATFORM
//
// Layers over a tree; a DIGEST may be "-":
//   glovebox-importer oci-layers FROM TO BYTES_MAX (BLOB DIGEST DIFF_ID)...
//
// What every image needs; prints "workdir" when that is there:
//   glovebox-importer oci-finish TO WORKDIR
//
// Exits as importer_exit.h says; stderr has progress (progress_report.h), and the reason on its
// last line.
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "importer/import_tree.h"
#include "importer/oci_layer.h"
#include "importer/oci_resolve.h"
#include "importer/oci_source.h"
#include "importer/refusal.h"
#include "importer/uploaded_tree.h"
#include "linux/file_io.h"
#include "snapshot/oci_image.h"

namespace glovebox {
namespace {

absl::Status Resolve(const std::string& from, const std::string& platform) {
  ASSIGN_OR_RETURN(const OciSource source, OciSource::Open(from));
  ASSIGN_OR_RETURN(const OciImage image, ResolveOciImage(source, platform));
  return WriteAll(STDOUT_FILENO, FormatOciImage(image));
}

absl::Status Finish(const std::string& root, const std::string& workdir) {
  ASSIGN_OR_RETURN(const bool there, FinishRoot(root, workdir));
  return WriteAll(STDOUT_FILENO, there ? "workdir\n" : "");
}

absl::Status Run(const std::vector<std::string>& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments[0];
  uint64_t bytes_max = 0;
  if (arguments.size() == 4 && absl::SimpleAtoi(arguments[3], &bytes_max)) {
    if (verb == "archive") return ImportArchive(arguments[1], arguments[2], bytes_max);
    if (verb == "directory") return ImportDirectory(arguments[1], arguments[2], bytes_max);
  }
  if (arguments.size() == 5 && absl::SimpleAtoi(arguments[4], &bytes_max)) {
    const std::string& blobs = arguments[1];
    const std::string& file = arguments[2];
    if (verb == "tree") return ImportUploadedTree(blobs, file, arguments[3], bytes_max);
    if (verb == "blob-archive") {
      return ImportArchive(absl::StrCat(blobs, "/", file), arguments[3], bytes_max, file);
    }
  }
  if (verb == "oci-resolve" && arguments.size() == 3) return Resolve(arguments[1], arguments[2]);
  if (verb == "oci-finish" && arguments.size() == 3) return Finish(arguments[1], arguments[2]);
  if (verb == "oci-layers" && arguments.size() >= 7 && arguments.size() % 3 == 1 &&
      absl::SimpleAtoi(arguments[3], &bytes_max)) {
    std::vector<OciLayer> layers;
    for (size_t i = 4; i < arguments.size(); i += 3) {
      const std::string& digest = arguments[i + 1];
      layers.push_back({arguments[i], digest == "-" ? "" : digest, arguments[i + 2]});
    }
    return UnpackLayers(arguments[1], layers, arguments[2], bytes_max);
  }
  return absl::InternalError("glovebox-importer runs in worker sandboxes; see its source");
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) {
  // Names in pax headers are UTF-8, which libarchive gives in the locale's encoding.
  (void)std::setlocale(LC_ALL, "C.UTF-8");
  (void)::umask(022);
  const absl::Status status = glovebox::Run({argv + 1, argv + argc});
  if (!status.ok()) {
    (void)std::fputs(absl::StrCat("error: ", status.message(), "\n").c_str(), stderr);
  }
  return glovebox::ExitCodeOf(status);
}
