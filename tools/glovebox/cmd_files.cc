// glovebox cat, write, edit: what is in one file of a sandbox.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/file.pb.h"
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

constexpr size_t kChunkBytes = 256 * 1024;

struct Options {
  std::string sandbox, path;
  std::string file = "-";
  std::string mode, expected;
  bool parents = false, is_new = false;
  std::string find, replace, count;
};

Json InfoJson(const v1::FileInfo& info) {
  Json out;
  PutBytes(out, "path", info.path());
  out["type"] = EnumWord(v1::FileType_Name(info.type()), "FILE_TYPE_");
  out["mode"] = info.mode();
  out["size_bytes"] = info.size_bytes();
  out["modify_time"] = TimeText(info.modify_time());
  out["uid"] = info.uid();
  out["gid"] = info.gid();
  return out;
}

int Cat(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("cat", connection.status(), kExitFailure);
  const auto id = ResolveSandbox(**connection, options.sandbox);
  if (!id.ok()) return Fail("cat", id.status(), kExitFailure);
  v1::ReadFileRequest request;
  request.set_sandbox_id(*id);
  request.set_path(options.path);
  std::string content;  // of --json alone
  v1::ReadFileSummary summary;
  bool complete = false;
  int unprinted = 0;
  const absl::Status status =
      CallReadFile(**connection, request, [&](v1::ReadFileResponse& response) -> absl::Status {
        if (response.has_summary()) {
          summary = response.summary();
          complete = true;
        } else if (invocation.json) {
          content += response.chunk();
        } else {
          unprinted = Print(response.chunk());
        }
        return unprinted == 0 ? absl::OkStatus() : absl::CancelledError("nobody reads");
      });
  if (unprinted != 0) return unprinted;
  if (!status.ok()) return Fail("cat", status, kExitFailure);
  if (!complete) {
    return Fail("cat", absl::DataLossError("the stream broke: the file is not complete"),
                kExitFailure);
  }
  if (summary.changed_meanwhile()) Note("the file changed while it was read");
  if (!invocation.json) return 0;
  Json out;
  PutBytes(out, "content", content);
  out["info"] = InfoJson(summary.info());
  out["digest"] = summary.digest();
  out["changed_meanwhile"] = summary.changed_meanwhile();
  return Print(Pretty(out));
}

absl::Status FillTarget(const Options& options, v1::WriteFileTarget* target) {
  target->set_path(options.path);
  target->set_make_parents(options.parents);
  target->set_must_be_new(options.is_new);
  if (!options.expected.empty()) target->set_expected_digest(options.expected);
  if (options.mode.empty()) return absl::OkStatus();
  uint32_t mode = 0;
  for (const char c : options.mode) {
    if (c < '0' || c > '7' || mode > 0777) {
      return absl::InvalidArgumentError("--mode takes permission bits in octal, as 0644");
    }
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  target->set_mode(mode);
  return absl::OkStatus();
}

absl::StatusOr<v1::WriteFileResponse> Write(const Invocation& invocation, const Options& options) {
  v1::WriteFileRequest first;
  RETURN_IF_ERROR(FillTarget(options, first.mutable_target()));
  ASSIGN_OR_RETURN(const UniqueFd input, OpenInputFile(options.file));
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(*first.mutable_target()->mutable_sandbox_id(),
                   ResolveSandbox(*connection, options.sandbox));
  bool begun = false;
  v1::WriteFileResponse response;
  RETURN_IF_ERROR(CallWriteFile(
      *connection,
      [&](v1::WriteFileRequest* next) -> absl::StatusOr<bool> {
        if (!std::exchange(begun, true)) {
          *next = std::move(first);
          return true;
        }
        ASSIGN_OR_RETURN(*next->mutable_chunk(), ReadInput(input.get(), kChunkBytes));
        return !next->chunk().empty();
      },
      &response));
  return response;
}

absl::StatusOr<v1::EditFileResponse> Edit(const Invocation& invocation, const Options& options) {
  v1::EditFileRequest request;
  request.set_path(options.path);
  if (!options.expected.empty()) request.set_expected_digest(options.expected);
  v1::TextEdit& edit = *request.add_edits();
  edit.set_find(options.find);
  edit.set_replace(options.replace);
  uint32_t count = 0;
  if (!options.count.empty()) {
    if (!absl::SimpleAtoi(options.count, &count)) {
      return absl::InvalidArgumentError("--count takes a number");
    }
    edit.set_count(count);
  }
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.sandbox));
  v1::EditFileResponse response;
  RETURN_IF_ERROR(CallEditFile(*connection, request, &response));
  return response;
}

int PrintWritten(const Invocation& invocation, const v1::WriteFileResponse& response) {
  if (!invocation.json) return 0;
  Json out;
  out["info"] = InfoJson(response.info());
  out["digest"] = response.digest();
  return Print(Pretty(out));
}

int PrintEdited(const Invocation& invocation, const v1::EditFileResponse& response) {
  if (!invocation.json) return 0;
  Json out;
  out["digest"] = response.digest();
  return Print(Pretty(out));
}

}  // namespace

void AddCat(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "cat", "Print a file of a sandbox, as its user reads it",
                      "  glovebox cat 3f2a src/main.c\n"
                      "  glovebox cat --json 3f2a /etc/passwd",
                      [&invocation, options] { return Cat(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("PATH", options->path, "File, absolute or from the workdir").Required();
}

void AddWrite(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "write",
                      "Write a file of a sandbox: it appears at once when complete, or not at all",
                      "  echo hello | glovebox write 3f2a notes.txt\n"
                      "  glovebox write --new --mode 0755 3f2a bin/run run.sh",
                      [&invocation, options] {
                        const auto response = Write(invocation, *options);
                        if (!response.ok()) return Fail("write", response.status(), kExitFailure);
                        return PrintWritten(invocation, *response);
                      });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("PATH", options->path, "File, absolute or from the workdir").Required();
  verb.AddOption("FILE", options->file, "Its content; - or none: stdin");
  verb.AddOption("--mode", options->mode, "Permission bits (as they are, or 0644)")
      .TypeName("MODE");
  verb.AddFlag("-p,--parents", options->parents, "Make missing directories");
  verb.AddFlag("--new", options->is_new, "Only if nothing is there");
  verb.AddOption("--expect", options->expected, "Only if the file there has this digest")
      .TypeName("DIGEST");
}

void AddEdit(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "edit",
                      "Replace text in a file of a sandbox, which must be there exactly once",
                      "  glovebox edit 3f2a main.py --find 'x = 1' --replace 'x = 2'",
                      [&invocation, options] {
                        const auto response = Edit(invocation, *options);
                        if (!response.ok()) return Fail("edit", response.status(), kExitFailure);
                        return PrintEdited(invocation, *response);
                      });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("PATH", options->path, "File, absolute or from the workdir").Required();
  verb.AddOption("--find", options->find, "Exact text").TypeName("TEXT").Required();
  verb.AddOption("--replace", options->replace, "What to put there (nothing)").TypeName("TEXT");
  verb.AddOption("--count", options->count, "How often it must be there (1)").TypeName("N");
  verb.AddOption("--expect", options->expected, "Only if the file has this digest")
      .TypeName("DIGEST");
}

}  // namespace glovebox
