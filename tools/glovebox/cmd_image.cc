// glovebox image ls, import, rm, prune: roots for sandboxes.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/image_pull.h"
#include "tools/glovebox/image_source.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/progress.h"
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

struct ImportOptions {
  std::string name;
  std::string source;
  bool oci = false;
  bool plain_http = false;
};

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

absl::StatusOr<v1::Image> ImportFrom(const Invocation& invocation, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  std::unique_ptr<PulledImage> pulled;  // until the daemon has read it
  v1::ImportImageRequest request;
  if (IsRegistryReference(options.source)) {
    ASSIGN_OR_RETURN(pulled, PullImage(options.source, options.plain_http));
    request.set_oci_path(pulled->layout());
  } else {
    ASSIGN_OR_RETURN(request, ImageRequestFor(options.source, options.oci));
  }
  request.set_name(options.name);
  return ImportImage(*connection, request);
}

int Import(const Invocation& invocation, const ImportOptions& options) {
  const auto image = ImportFrom(invocation, options);
  if (!image.ok()) return Fail("image import", image.status(), kExitFailure);
  if (invocation.json) return Print(Pretty(ImageJson(*image)));
  for (const std::string& note : image->notes()) {
    Note(absl::StrCat("image import: ", EscapeForPeople(note, 1000)));
  }
  return Print(absl::StrCat(image->digest(), "\n"));
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

// Whether a person said yes. Without one there is nobody to ask.
absl::Status Confirm(const std::vector<std::string>& names) {
  if (::isatty(STDIN_FILENO) != 1) {
    return absl::InvalidArgumentError("nobody can be asked here; give --force to remove");
  }
  Note(absl::StrCat("image prune: this removes ", absl::StrJoin(names, ", "), ". Go on? [y/N] "));
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return absl::OkStatus();
  return absl::CancelledError("nothing was removed");
}

int Prune(const Invocation& invocation, bool force) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("image prune", connection.status(), kExitFailure);
  const auto images = AllImages(**connection);
  if (!images.ok()) return Fail("image prune", images.status(), kExitFailure);
  std::vector<std::string> unused;
  for (const v1::Image& image : *images) {
    if (!image.built_in() && image.sandbox_count() == 0) unused.push_back(image.name());
  }
  if (!force && !unused.empty()) {
    const absl::Status confirmed = Confirm(unused);
    if (!confirmed.ok()) return Fail("image prune", confirmed, kExitUsage);
  }
  const int code = Rm(invocation, unused);
  if (invocation.json || code != 0) return code;
  return Print(unused.empty() ? "" : absl::StrCat(absl::StrJoin(unused, "\n"), "\n"));
}

}  // namespace

void AddImage(Verb app, Invocation& invocation) {
  Verb image = app.AddGroup("image", "Show, import and remove images (roots)");
  AddVerb(image, invocation, "ls", "List images", "  glovebox image ls",
          [&invocation] { return Ls(invocation); });
  auto options = std::make_shared<ImportOptions>();
  Verb import = AddVerb(image, invocation, "import", "Make an image; print its digest",
                        "  glovebox image import debian debian.tar.zst\n"
                        "  glovebox image import app app-saved-by-docker.tar\n"
                        "  glovebox image import python docker://docker.io/library/python:3.12",
                        [&invocation, options] { return Import(invocation, *options); });
  import.AddOption("NAME", options->name, "Name of the image").Required();
  import
      .AddOption("PATH", options->source,
                 "Tar file of a root (plain, gzip, xz, zstd) or its directory, OCI image layout, "
                 "archive of docker "
                 "save, or docker://HOST/NAME:TAG, which skopeo fetches")
      .Required();
  import.AddFlag("--oci", options->oci, "It is an OCI image layout or an archive of docker save");
  import.AddFlag("--plain-http", options->plain_http, "Fetch without TLS or without its checks");
  auto force = std::make_shared<bool>(false);
  Verb prune = AddVerb(image, invocation, "prune", "Remove all images that no sandbox uses",
                       "  glovebox image prune --force",
                       [&invocation, force] { return Prune(invocation, *force); });
  prune.AddFlag("-f,--force", *force, "Do not ask");
  auto names = std::make_shared<std::vector<std::string>>();
  Verb rm = AddVerb(image, invocation, "rm", "Remove images", "  glovebox image rm debian",
                    [&invocation, names] { return Rm(invocation, *names); });
  rm.AddOption("NAME", *names, "Images").Required();
}

}  // namespace glovebox
