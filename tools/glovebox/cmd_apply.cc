// glovebox apply: a patch into a sandbox's files, all of it or nothing.

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/file_calls.h"
#include "tools/glovebox/file_verbs.h"
#include "tools/glovebox/input_file.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

constexpr size_t kPatchBytesMax = size_t{3} << 20;  // as patch/patch.h
constexpr size_t kShownBytesMax = 400;

struct Options {
  std::string sandbox;
  std::string file = "-";
  std::string directory;
  std::string fuzz = "0";
  bool check = false;
};

Json HunkJson(const v1::HunkResult& hunk) {
  Json out;
  PutBytes(out, "path", hunk.path());
  out["hunk"] = hunk.hunk();
  out["applied"] = hunk.applied();
  out["line"] = hunk.line();
  out["fuzz_lines"] = hunk.fuzz_lines();
  PutBytes(out, "expected", hunk.expected());
  PutBytes(out, "found", hunk.found());
  return out;
}

int PrintJson(const v1::ApplyPatchResponse& response) {
  Json out;
  out["hunks"] = Json::array();
  for (const v1::HunkResult& hunk : response.hunks()) out["hunks"].push_back(HunkJson(hunk));
  out["changes"] = Json::array();
  for (const v1::Change& change : response.changes()) out["changes"].push_back(ChangeJson(change));
  return Print(Pretty(out));
}

// What is not as the patch says, on stderr. Returns how many hunks do not fit.
int NoteHunks(const v1::ApplyPatchResponse& response) {
  int misfits = 0;
  for (const v1::HunkResult& hunk : response.hunks()) {
    const std::string place = absl::StrCat(EscapeForPeople(hunk.path()), ": hunk ", hunk.hunk());
    if (!hunk.applied()) {
      ++misfits;
      Note(absl::StrCat(place, " does not fit; it expects \"",
                        EscapeForPeople(hunk.expected(), kShownBytesMax), "\"",
                        hunk.line() == 0
                            ? std::string()
                            : absl::StrCat(", the nearest match, at line ", hunk.line(), ", is \"",
                                           EscapeForPeople(hunk.found(), kShownBytesMax), "\"")));
    } else if (hunk.fuzz_lines() > 0) {
      Note(absl::StrCat(place, " at line ", hunk.line(), " with ", hunk.fuzz_lines(),
                        " differing lines"));
    }
  }
  return misfits;
}

int Show(const Invocation& invocation, const v1::ApplyPatchResponse& response) {
  int unprinted = 0;
  if (invocation.json) {
    unprinted = PrintJson(response);
  } else {
    std::string text;
    for (const v1::Change& change : response.changes()) {
      text += ChangeLetter(change.kind());
      text += '\t';
      if (!change.old_path().empty()) {
        text += EscapeForPeople(change.old_path());
        text += '\t';
      }
      text += EscapeForPeople(change.path());
      text += '\n';
    }
    unprinted = Print(text);
  }
  const int misfits = NoteHunks(response);
  return unprinted != 0 ? unprinted : (misfits > 0 ? kExitFailure : 0);
}

absl::StatusOr<v1::ApplyPatchResponse> Apply(const Invocation& invocation, const Options& options) {
  v1::ApplyPatchRequest request;
  uint32_t fuzz = 0;
  if (!absl::SimpleAtoi(options.fuzz, &fuzz)) {
    return absl::InvalidArgumentError("--fuzz takes a number of lines, 0 to 3");
  }
  absl::StatusOr<std::string> patch = ReadInputFile(options.file, kPatchBytesMax);
  if (absl::IsResourceExhausted(patch.status())) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat(patch.status().message(), ", the limit of a patch: split it"),
                         {"PATCH_LIMIT", {{"limit", absl::StrCat(kPatchBytesMax)}}});
  }
  ASSIGN_OR_RETURN(*request.mutable_patch(), std::move(patch));
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.sandbox));
  request.set_directory(options.directory);
  request.set_fuzz_lines_max(fuzz);
  request.set_dry_run(options.check);
  v1::ApplyPatchResponse response;
  RETURN_IF_ERROR(CallApplyPatch(*connection, request, &response));
  return response;
}

}  // namespace

void AddApply(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "apply",
                      "Apply a patch, of git's or \"*** Begin Patch\", as a whole or not at all",
                      "  glovebox diff 3f2a | glovebox apply 77c0\n"
                      "  glovebox apply --check --fuzz 1 3f2a change.patch",
                      [&invocation, options] {
                        const auto response = Apply(invocation, *options);
                        if (!response.ok()) return Fail("apply", response.status(), kExitFailure);
                        return Show(invocation, *response);
                      });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("FILE", options->file, "The patch; - or none: stdin");
  verb.AddOption("--directory", options->directory, "Where its paths start (the workdir)")
      .TypeName("PATH");
  verb.AddOption("--fuzz", options->fuzz,
                 "Lines of context that may differ per hunk, at most 3 (0)")
      .TypeName("LINES");
  verb.AddFlag("--check", options->check,
               "Only look whether it fits; tell every hunk that does not");
}

}  // namespace glovebox
