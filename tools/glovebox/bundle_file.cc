#include "tools/glovebox/bundle_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {

absl::Status WriteExport(Connection& connection, const v1::ExportBundleRequest& request, int fd,
                         std::string* digest) {
  Sha256 sha256;
  RETURN_IF_ERROR(
      CallStream(connection, request, [&](v1::ExportBundleResponse& response) -> absl::Status {
        *digest = response.digest();
        sha256.Update(response.chunk());
        return response.chunk().empty() ? absl::OkStatus() : WriteOut(fd, response.chunk());
      }));
  if (*digest == absl::StrCat("sha256:", sha256.FinishHex())) return absl::OkStatus();
  return absl::DataLossError("the stream broke: the export is not complete");
}

absl::Status WriteExportFile(Connection& connection, const v1::ExportBundleRequest& request,
                             const std::string& path, std::string* digest) {
  const std::string part = absl::StrCat(path, ".part-", ::getpid());
  const UniqueFd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.valid()) return ErrnoError(errno, absl::StrCat("open(\"", part, "\")"));
  absl::Status status = WriteExport(connection, request, file.get(), digest);
  if (status.ok() && std::rename(part.c_str(), path.c_str()) != 0) {
    status = ErrnoError(errno, absl::StrCat("rename to \"", path, "\""));
  }
  if (!status.ok()) (void)::unlink(part.c_str());
  return status;
}

}  // namespace glovebox
