// glovebox image ls, import, rm: roots for sandboxes.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/progress.h"
#include "tools/glovebox/repository_argument.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

int Ls(const Invocation& invocation) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("image ls", connection.status(), kExitFailure);
  const auto images = AllImages(**connection);
  if (!images.ok()) return Fail("image ls", images.status(), kExitFailure);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NAME", "DIGEST", "SIZE", "SANDBOXES", "SOURCE"}};
  for (const v1::Image& image : *images) {
    json.push_back(ImageJson(image));
    rows.push_back({EscapeForPeople(image.name(), 63), image.digest().substr(0, 19),
                    FormatSize(image.disk_bytes()), absl::StrCat(image.sandbox_count()),
                    EscapeForPeople(image.source(), 60)});
  }
  return Print(invocation.json ? Pretty(json) : FormatTable(rows, ColourWanted(STDOUT_FILENO)));
}

absl::StatusOr<v1::ImportImageRequest> RequestFor(const std::string& name,
                                                  const std::string& source) {
  v1::ImportImageRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(source));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoError(errno, absl::StrCat("stat ", EscapeForPeople(path)));
  }
  if (S_ISDIR(info.st_mode)) {
    request.set_directory_path(std::move(path));
  } else {
    request.set_archive_path(std::move(path));
  }
  return request;
}

absl::StatusOr<v1::Image> ImportImage(Connection& connection,
                                      const v1::ImportImageRequest& request) {
  v1::Image image;
  ProgressLine line;
  RETURN_IF_ERROR(CallStream(connection, request, [&](v1::ImportImageResponse& response) {
    if (response.has_progress()) line.Show(response.progress());
    if (response.has_image()) image = response.image();
    return absl::OkStatus();
  }));
  if (image.digest().empty()) return absl::DataLossError("the stream broke before its end");
  return image;
}

int Import(const Invocation& invocation, const std::string& name, const std::string& source) {
  const auto request = RequestFor(name, source);
  if (!request.ok()) return Fail("image import", request.status(), kExitFailure);
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("image import", connection.status(), kExitFailure);
  const auto image = ImportImage(**connection, *request);
  if (!image.ok()) return Fail("image import", image.status(), kExitFailure);
  return Print(invocation.json ? Pretty(ImageJson(*image)) : absl::StrCat(image->digest(), "\n"));
}

int Rm(const Invocation& invocation, const std::vector<std::string>& names) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("image rm", connection.status(), kExitFailure);
  int code = 0;
  Json removed = Json::array();
  for (const std::string& name : names) {
    v1::DeleteImageRequest request;
    request.set_name(name);
    v1::DeleteImageResponse response;
    const absl::Status status = Call(**connection, request, &response);
    if (status.ok()) {
      removed.push_back(name);
    } else {
      code = Fail(absl::StrCat("image rm ", EscapeForPeople(name, 80)), status, kExitFailure);
    }
  }
  if (invocation.json) (void)Print(Pretty({{"removed", removed}}));  // `code` is what counts
  return code;
}

}  // namespace

void AddImage(Verb app, Invocation& invocation) {
  Verb image = app.AddGroup("image", "Show, import and remove images (roots)");
  AddVerb(image, invocation, "ls", "List images", "  glovebox image ls",
          [&invocation] { return Ls(invocation); });
  auto name = std::make_shared<std::string>();
  auto source = std::make_shared<std::string>();
  Verb import = AddVerb(image, invocation, "import",
                        "Make an image of a tar file or a directory; print its digest",
                        "  glovebox image import debian debian.tar.zst",
                        [&invocation, name, source] { return Import(invocation, *name, *source); });
  import.AddOption("NAME", *name, "Name of the image").Required();
  import.AddOption("PATH", *source, "Tar file (plain, gzip, xz, zstd) or directory").Required();
  auto names = std::make_shared<std::vector<std::string>>();
  Verb rm = AddVerb(image, invocation, "rm", "Remove images", "  glovebox image rm debian",
                    [&invocation, names] { return Rm(invocation, *names); });
  rm.AddOption("NAME", *names, "Images").Required();
}

}  // namespace glovebox
