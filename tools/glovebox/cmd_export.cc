// glovebox export: commits of a sandbox as a bundle, or as mails for git am.

#include <unistd.h>

#include <memory>

#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/bundle_file.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox, commit;
  std::string file = "-";
  std::vector<std::string> excluded;
  bool series = false;
};

int Export(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("export", connection.status(), kExitFailure);
  const auto id = ResolveSandbox(**connection, options.sandbox);
  if (!id.ok()) return Fail("export", id.status(), kExitFailure);
  v1::ExportBundleRequest request;
  request.set_sandbox_id(*id);
  request.set_commit(options.commit);
  for (const std::string& commit : options.excluded) request.add_excluded_commits(commit);
  request.set_format(options.series ? v1::EXPORT_FORMAT_PATCH_SERIES : v1::EXPORT_FORMAT_BUNDLE);
  const bool to_stdout = options.file == "-";
  if (to_stdout && invocation.json) {
    return Fail("export", absl::InvalidArgumentError("--json needs a file (-o)"), kExitUsage);
  }
  std::string digest;
  const absl::Status status = to_stdout
                                  ? WriteExport(**connection, request, STDOUT_FILENO, &digest)
                                  : WriteExportFile(**connection, request, options.file, &digest);
  if (IsBrokenPipe(status)) return kExitSignalBase + 13;
  if (!status.ok()) return Fail("export", status, kExitFailure);
  return invocation.json ? Print(Pretty({{"file", options.file}, {"digest", digest}})) : 0;
}

}  // namespace

void AddExport(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "export",
                      "Write commits of a sandbox as a git bundle, or as mails for git am",
                      "  glovebox export 3f2a fix -o fix.bundle && git fetch fix.bundle fix:fix\n"
                      "  glovebox export 3f2a fix --series | git am",
                      [&invocation, options] { return Export(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("COMMIT", options->commit,
                 "Branch or full object name, of `commit` or made inside")
      .Required();
  verb.AddOption("-o,--output", options->file, "File; - for stdout (-)").TypeName("FILE");
  verb.AddFlag("--series", options->series, "Mails, oldest first, instead of a bundle");
  verb.AddOption("--not", options->excluded,
                 "Without what this commit has (the base); may be repeated")
      .TypeName("COMMIT")
      .Repeated();
}

}  // namespace glovebox
