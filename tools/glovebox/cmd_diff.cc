// glovebox diff: what changed, as a patch for git apply.

#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  std::string path;
  std::string context;
  bool renames = false;
};

void NoteSkipped(const v1::DiffSummary& summary) {
  for (const v1::SkippedFile& file : summary.skipped()) {
    Note(absl::StrCat("not in the patch: ", EscapeForPeople(file.path()), " (",
                      EnumWord(v1::SkipReason_Name(file.reason()), "SKIP_REASON_"), ")"));
  }
  const auto named = static_cast<uint64_t>(summary.skipped_size());
  if (summary.skipped_count() > named) {
    Note(absl::StrCat("and ", summary.skipped_count() - named, " more are not in the patch"));
  }
}

int Stream(const Invocation& invocation, Connection& connection,
           const v1::DiffSandboxRequest& request) {
  std::string patch;  // of --json alone
  v1::DiffSummary summary;
  bool complete = false;
  int unprinted = 0;
  const absl::Status status =
      CallStream(connection, request, [&](v1::DiffSandboxResponse& response) -> absl::Status {
        if (response.has_summary()) {
          summary = response.summary();
          complete = true;
        } else if (invocation.json) {
          patch += response.chunk();
        } else {
          unprinted = Print(response.chunk());
        }
        return unprinted == 0 ? absl::OkStatus() : absl::CancelledError("nobody reads");
      });
  if (unprinted != 0) return unprinted;
  if (!status.ok()) return Fail("diff", status, kExitFailure);
  if (!complete) {
    return Fail("diff", absl::DataLossError("the stream broke: the patch is not complete"),
                kExitFailure);
  }
  if (!invocation.json) {
    NoteSkipped(summary);
    return 0;
  }
  Json out;
  PutBytes(out, "patch", patch);
  out["summary"] = DiffSummaryJson(summary);
  return Print(Pretty(out));
}

int Diff(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("diff", connection.status(), kExitFailure);
  const auto id = ResolveSandbox(**connection, options.sandbox);
  if (!id.ok()) return Fail("diff", id.status(), kExitFailure);
  v1::DiffSandboxRequest request;
  request.set_sandbox_id(*id);
  request.set_path(options.path);
  request.set_find_renames(options.renames);
  if (!options.context.empty()) {
    uint32_t lines = 0;
    if (!absl::SimpleAtoi(options.context, &lines)) {
      return Fail("diff", absl::InvalidArgumentError("--context needs a number of lines"),
                  kExitFailure);
    }
    request.set_context_lines(lines);
  }
  return Stream(invocation, **connection, request);
}

}  // namespace

void AddDiff(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "diff",
                      "Print what changed as a patch; what has no form in it, on stderr",
                      "  glovebox diff 3f2a > change.patch\n"
                      "  glovebox diff 3f2a | git apply --index",
                      [&invocation, options] { return Diff(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("--path", options->path, "Only this and what is below it").TypeName("PATH");
  verb.AddFlag("--renames", options->renames, "Write files that moved as renames");
  verb.AddOption("-U,--context", options->context, "Lines around a change (3)").TypeName("N");
}

}  // namespace glovebox
