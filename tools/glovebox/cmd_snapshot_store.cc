// glovebox snapshot capture, gc, fsck: snapshots of sandboxes, and the care of the store.
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr uint64_t kFilesMost = uint64_t{1} << 40;

struct GcOptions {
  bool dry_run = false;
  std::string bytes_max, files_max, idle_min;
};

struct FsckOptions {
  bool content = false;
};

int Capture(const Invocation& invocation, const std::string& id) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot capture", connection.status(), kExitFailure);
  const auto sandbox = ResolveSandbox(**connection, id);
  if (!sandbox.ok()) return Fail("snapshot capture", sandbox.status(), kExitFailure);
  v1::CaptureSandboxRequest request;
  request.set_sandbox_id(*sandbox);
  v1::CaptureSandboxResponse response;
  const absl::Status called = Call(**connection, request, &response);
  if (!called.ok()) return Fail("snapshot capture", called, kExitFailure);
  return Print(invocation.json ? Pretty(SnapshotJson(response.snapshot()))
                               : absl::StrCat(response.snapshot().digest(), "\n"));
}

// "0" is a size here: nothing that is unused may stay.
absl::StatusOr<uint64_t> BytesMax(const std::string& text) {
  return text == "0" ? absl::StatusOr<uint64_t>(0) : ParseSize(text);
}

absl::StatusOr<v1::CollectGarbageRequest> BuildRequest(const GcOptions& options) {
  v1::CollectGarbageRequest request;
  request.set_dry_run(options.dry_run);
  if (!options.bytes_max.empty()) {
    ASSIGN_OR_RETURN(const uint64_t bytes, BytesMax(options.bytes_max));
    request.set_bytes_max(bytes);
  }
  if (!options.files_max.empty()) {
    ASSIGN_OR_RETURN(const uint64_t files, ParseCount(options.files_max, kFilesMost));
    request.set_files_max(files);
  }
  if (!options.idle_min.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration idle, ParseTimeout(options.idle_min));
    const int64_t idle_ms = absl::ToInt64Milliseconds(idle);
    request.mutable_idle_min()->set_seconds(idle_ms / 1000);
    request.mutable_idle_min()->set_nanos(static_cast<int32_t>(idle_ms % 1000) * 1'000'000);
  }
  return request;
}

int Gc(const Invocation& invocation, const GcOptions& options) {
  const auto request = BuildRequest(options);
  if (!request.ok()) return Fail("snapshot gc", request.status(), kExitUsage);
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot gc", connection.status(), kExitFailure);
  Json removed = Json::array();
  std::string lines;
  v1::CollectGarbageSummary summary;
  bool ended = false;
  const absl::Status called =
      CallStream(**connection, *request, [&](v1::CollectGarbageResponse& response) {
        if (response.has_removed()) {
          removed.push_back(SnapshotJson(response.removed()));
          absl::StrAppend(&lines, response.removed().digest(), "\n");
        }
        ended = ended || response.has_summary();
        if (response.has_summary()) summary = response.summary();
        return absl::OkStatus();
      });
  if (!called.ok()) return Fail("snapshot gc", called, kExitFailure);
  if (!ended) return Fail("snapshot gc", absl::DataLossError("the stream broke"), kExitFailure);
  if (!invocation.json) {
    Note(absl::StrCat(options.dry_run ? "would free " : "freed ", FormatSize(summary.bytes_freed()),
                      "; snapshots take ", FormatSize(summary.bytes_used()),
                      options.dry_run ? " then" : ""));
    if (summary.blobs_removed() != 0) {
      Note(absl::StrCat(options.dry_run ? "would remove " : "removed ", summary.blobs_removed(),
                        " uploaded blobs, ", FormatSize(summary.blob_bytes_freed())));
    }
    return Print(lines);
  }
  return Print(Pretty({{"dry_run", options.dry_run},
                       {"removed", removed},
                       {"bytes_freed", summary.bytes_freed()},
                       {"bytes_used", summary.bytes_used()},
                       {"files_used", summary.files_used()},
                       {"blobs_removed", summary.blobs_removed()},
                       {"blob_bytes_freed", summary.blob_bytes_freed()},
                       {"blob_bytes_used", summary.blob_bytes_used()}}));
}

int Fsck(const Invocation& invocation, const FsckOptions& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("snapshot fsck", connection.status(), kExitFailure);
  v1::CheckStoreRequest request;
  request.set_read_content(options.content);
  Json entries = Json::array();
  std::string lines;
  bool damaged = false;
  const absl::Status called =
      CallStream(**connection, request, [&](v1::CheckStoreResponse& response) {
        damaged = damaged || response.damaged();
        entries.push_back({{"name", response.name()},
                           {"damaged", response.damaged()},
                           {"problem", response.problem()},
                           {"remedy", response.remedy()}});
        absl::StrAppend(&lines, response.damaged() ? "damaged " : "ok      ", response.name());
        if (response.damaged()) {
          absl::StrAppend(&lines, ": ", response.problem(), "; ", response.remedy());
        }
        absl::StrAppend(&lines, "\n");
        return absl::OkStatus();
      });
  if (!called.ok()) return Fail("snapshot fsck", called, kExitFailure);
  const int printed = Print(invocation.json ? Pretty(entries) : lines);
  return damaged ? kExitFailure : printed;
}

}  // namespace

void AddSnapshotStore(Verb snapshot, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  Verb capture = AddVerb(snapshot, invocation, "capture",
                         "Make a snapshot of a sandbox's /workspace as it is now; print its digest",
                         "  glovebox snapshot capture 3f2a",
                         [&invocation, id] { return Capture(invocation, *id); });
  capture.AddOption("ID", *id, "Sandbox").Required();
  auto gc_options = std::make_shared<GcOptions>();
  Verb gc = AddVerb(snapshot, invocation, "gc",
                    "Remove snapshots that nothing uses, the least recently used first; print them",
                    "  glovebox snapshot gc --dry-run --max-bytes 20GiB\n"
                    "  glovebox snapshot gc --max-bytes 0\n"
                    "Without a limit, the one of the daemon's configuration is held.",
                    [&invocation, gc_options] { return Gc(invocation, *gc_options); });
  gc.AddFlag("--dry-run", gc_options->dry_run, "Tell what would go, remove nothing");
  gc.AddOption("--max-bytes", gc_options->bytes_max, "What may stay on the host's disk; 0: nothing")
      .TypeName("SIZE");
  gc.AddOption("--max-files", gc_options->files_max, "Files that may stay").TypeName("N");
  gc.AddOption("--idle", gc_options->idle_min, "Keep what was used within this time")
      .TypeName("TIME");
  auto fsck_options = std::make_shared<FsckOptions>();
  Verb fsck = AddVerb(snapshot, invocation, "fsck", "Check the store; fails when it is damaged",
                      "  glovebox snapshot fsck --content",
                      [&invocation, fsck_options] { return Fsck(invocation, *fsck_options); });
  fsck.AddFlag("--content", fsck_options->content, "Read every file, too");
}

}  // namespace glovebox
