// glovebox-importer: runs in a worker sandbox and turns foreign input into trees there.
//
//   glovebox-importer archive FROM TO BYTES_MAX      a tar archive
//   glovebox-importer directory FROM TO BYTES_MAX    a directory
//
// Exits as importer_exit.h says; stderr has progress (progress_report.h), and the reason on its
// last line.
#include <sys/stat.h>

#include <clocale>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "importer/import_tree.h"
#include "importer/refusal.h"

namespace glovebox {
namespace {

absl::Status Run(const std::vector<std::string>& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments[0];
  uint64_t bytes_max = 0;
  if (arguments.size() == 4 && absl::SimpleAtoi(arguments[3], &bytes_max)) {
    if (verb == "archive") return ImportArchive(arguments[1], arguments[2], bytes_max);
    if (verb == "directory") return ImportDirectory(arguments[1], arguments[2], bytes_max);
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
