// glovebox snapshot ls, import, rm: prepared trees for /workspace. The rest of its verbs is in
// cmd_snapshot_store.cc.
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/create_options.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/import_argument.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/progress.h"
#include "tools/glovebox/reconnect.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"
#include "tools/glovebox/upload_plan.h"
#include "tools/glovebox/uploader.h"

namespace glovebox {
namespace {

int Ls(const Invocation& invocation) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot ls", connection.status(), kExitFailure);
  const auto snapshots = AllSnapshots(**connection);
  if (!snapshots.ok()) return Fail("snapshot ls", snapshots.status(), kExitFailure);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"DIGEST", "COMMIT", "AGE", "SIZE", "SANDBOXES", "SOURCE"}};
  for (const v1::Snapshot& snapshot : *snapshots) {
    json.push_back(SnapshotJson(snapshot));
    rows.push_back({snapshot.digest().substr(0, 19), snapshot.commit().substr(0, 12),
                    AgeText(TimeText(snapshot.create_time())), FormatSize(snapshot.disk_bytes()),
                    absl::StrCat(snapshot.sandbox_count()),
                    EscapeForPeople(snapshot.source(), 60)});
  }
  return Print(invocation.json ? Pretty(json) : FormatTable(rows, ColourWanted(STDOUT_FILENO)));
}

absl::StatusOr<v1::Snapshot> ImportSnapshot(Connection& connection,
                                            const v1::ImportSnapshotRequest& request) {
  v1::Snapshot snapshot;
  ProgressLine line;
  RETURN_IF_ERROR(CallStream(connection, request, [&](v1::ImportSnapshotResponse& response) {
    if (response.has_progress()) line.Show(response.progress());
    if (response.has_snapshot()) snapshot = response.snapshot();
    return absl::OkStatus();
  }));
  if (snapshot.digest().empty()) return absl::DataLossError("the stream broke before its end");
  return snapshot;
}

// One that damage on the daemon's disk, or a long time between, took away is sent again.
bool IsWorthAnotherUpload(const absl::Status& status) {
  return HasReason(status, "BLOB_NOT_FOUND") || HasReason(status, "STORE_CORRUPT");
}

absl::StatusOr<v1::Snapshot> UploadAndImport(Connection& connection, const std::string& path,
                                             const ReconnectPolicy& policy) {
  ProgressLine line;
  ASSIGN_OR_RETURN(const UploadPlan plan, PlanUpload(path, [&](uint64_t files, uint64_t bytes) {
                     v1::ImportProgress progress;
                     progress.set_items_done(files);
                     progress.set_bytes_done(bytes);
                     line.ShowAs("reading", progress);
                   }));
  v1::ImportSnapshotRequest request;
  *(plan.is_tree ? request.mutable_uploaded_tree() : request.mutable_uploaded_archive()) =
      plan.root;
  UploadTotals sent;
  RETURN_IF_ERROR(Upload(connection, plan, policy, &line, &sent));
  absl::StatusOr<v1::Snapshot> snapshot = ImportSnapshot(connection, request);
  if (IsWorthAnotherUpload(snapshot.status())) {
    RETURN_IF_ERROR(Upload(connection, plan, policy, &line, &sent));
    snapshot = ImportSnapshot(connection, request);
  }
  if (snapshot.ok()) {
    Note(absl::StrCat("uploaded ", sent.blobs, " of ", plan.blobs.size(), " blobs, ", sent.bytes,
                      " of ", plan.bytes, " bytes"));
  }
  return snapshot;
}

int Import(const Invocation& invocation, const ImportArgument& argument,
           const ReconnectOptions& reconnect) {
  const auto request = ParseImportArgument(argument);
  if (!request.ok()) return Fail("snapshot import", request.status(), kExitUsage);
  const auto policy = ReconnectPolicyOf(reconnect);
  if (!policy.ok()) return Fail("snapshot import", policy.status(), kExitUsage);
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot import", connection.status(), kExitFailure);
  const auto snapshot = argument.upload.empty()
                            ? ImportSnapshot(**connection, *request)
                            : UploadAndImport(**connection, argument.upload, *policy);
  if (!snapshot.ok()) return Fail("snapshot import", snapshot.status(), kExitFailure);
  return Print(invocation.json ? Pretty(SnapshotJson(*snapshot))
                               : absl::StrCat(snapshot->digest(), "\n"));
}

absl::StatusOr<std::string> RemoveOne(Connection& connection, const std::string& text) {
  ASSIGN_OR_RETURN(std::string digest, ResolveSnapshot(connection, text));
  v1::DeleteSnapshotRequest request;
  request.set_digest(digest);
  v1::DeleteSnapshotResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return digest;
}

int Rm(const Invocation& invocation, const std::vector<std::string>& digests) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot rm", connection.status(), kExitFailure);
  int code = 0;
  Json removed = Json::array();
  for (const std::string& text : digests) {
    const auto digest = RemoveOne(**connection, text);
    if (digest.ok()) {
      removed.push_back(*digest);
    } else {
      code = Fail(absl::StrCat("snapshot rm ", EscapeForPeople(text, 80)), digest.status(),
                  kExitFailure);
    }
  }
  if (invocation.json) (void)Print(Pretty({{"removed", removed}}));  // `code` is what counts
  return code;
}

}  // namespace

void AddSnapshot(Verb app, Invocation& invocation) {
  Verb snapshot =
      app.AddGroup("snapshot", "Show, import and remove snapshots (trees for /workspace)");
  AddVerb(snapshot, invocation, "ls", "List snapshots", "  glovebox snapshot ls",
          [&invocation] { return Ls(invocation); });
  auto source = std::make_shared<ImportArgument>();
  auto reconnect = std::make_shared<ReconnectOptions>();
  Verb import = AddVerb(
      snapshot, invocation, "import",
      "Make a snapshot of a repository at a commit, a tar file or a directory; print its digest",
      "  glovebox snapshot import ~/src/zlib@v1.3\n"
      "  glovebox snapshot import https://git.example.org/zlib.git --commit v1.3\n"
      "  glovebox snapshot import https://github.com/me/private --secret github\n"
      "  glovebox snapshot import --tar zlib_1.3.orig.tar.xz\n"
      "  glovebox snapshot import --directory ~/data\n"
      "  glovebox snapshot import --upload ~/data",
      [&invocation, source, reconnect] { return Import(invocation, *source, *reconnect); });
  import.AddOption("PATH[@COMMIT]|URL", source->source,
                   "Git repository or bundle, at a commit or ref; else a tar file or a directory; "
                   "or the https:// or git:// URL of a repository");
  import
      .AddOption("--commit", source->commit,
                 "Branch, tag or commit id of the repository; of a URL the only way")
      .TypeName("REV");
  AddHistoryOption(import, source->history);
  import
      .AddOption("--secret", source->secrets,
                 "Secret (glovebox secret create) that a URL's host takes as a password or token")
      .TypeName("NAME")
      .Repeated();  // so that an empty one is seen
  import
      .AddOption("--user", source->user,
                 "User whose password the secret is; x-access-token unless told otherwise")
      .TypeName("USER");
  import.AddOption("--tar", source->tar, "Tar file (plain, gzip, xz, zstd)").TypeName("FILE");
  import.AddOption("--directory", source->directory, "Directory, as it is").TypeName("DIR");
  import
      .AddOption(
          "--upload", source->upload,
          "Directory or tar file that this command reads itself and uploads: what the daemon "
          "has of it does not travel, and what broke off goes on")
      .TypeName("PATH");
  AddReconnectOptions(import, *reconnect);
  auto digests = std::make_shared<std::vector<std::string>>();
  Verb rm =
      AddVerb(snapshot, invocation, "rm", "Remove snapshots", "  glovebox snapshot rm sha256:3f2a",
              [&invocation, digests] { return Rm(invocation, *digests); });
  rm.AddOption("DIGEST", *digests, "Snapshots").Required();
  AddSnapshotStore(snapshot, invocation);
}

}  // namespace glovebox
