// CommitChanges and ExportBundle.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "service/change_service.h"
#include "service/convert_change.h"
#include "service/find_sandbox.h"
#include "service/patch_chunks.h"
#include "service/request_error.h"
#include "snapshot/git_work.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr size_t kMessageBytesMax = 64 * 1024;
constexpr size_t kIdentityBytesMax = 256;
constexpr size_t kPathsBytesMax = 64 * 1024;
constexpr int kExcludedMax = 1000;
constexpr int64_t kYear2100 = 4'102'444'800;
constexpr size_t kCommitDigits = 40;

// git takes angle brackets and line ends out of a name, and refuses one that has nothing else.
absl::Status CheckIdentity(const std::string& text, absl::string_view field) {
  const auto refused = [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f' || c == '<' || c == '>';
  };
  const auto substantial = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  if (text.size() > kIdentityBytesMax || std::any_of(text.begin(), text.end(), refused) ||
      std::none_of(text.begin(), text.end(), substantial)) {
    return FieldError(field,
                      absl::StrCat("must have 1 to ", kIdentityBytesMax,
                                   " bytes, a letter or digit, and neither control characters "
                                   "nor angle brackets"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MessageFromProto(const std::string& message) {
  if (absl::StripAsciiWhitespace(message).empty() || message.size() > kMessageBytesMax ||
      message.find('\0') != std::string::npos) {
    return FieldError("message", absl::StrCat("must have 1 to ", kMessageBytesMax,
                                              " bytes, not of blanks alone, and no NUL"));
  }
  return absl::EndsWith(message, "\n") ? message : absl::StrCat(message, "\n");
}

absl::StatusOr<std::vector<std::string>> PathsFromProto(const v1::CommitChangesRequest& request,
                                                        absl::string_view workdir) {
  std::vector<std::string> paths;
  size_t bytes = 0;
  for (const std::string& path : request.paths()) {
    ASSIGN_OR_RETURN(ChangeScope scope, ScopeFromProto(path, workdir));
    bytes += path.size() + 1;
    if (scope.root != absl::StripPrefix(workdir, "/") || bytes > kPathsBytesMax) {
      return FieldError("paths", absl::StrCat("must lie in the sandbox's workdir and have ",
                                              kPathsBytesMax, " bytes together at most"));
    }
    if (scope.prefix.empty()) return std::vector<std::string>();
    paths.push_back(std::move(scope.prefix));
  }
  return paths;
}

}  // namespace

absl::Status ChangeService::Commit(const Caller& caller, const v1::CommitChangesRequest& request,
                                   v1::CommitChangesResponse* response) const {
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, caller, request.sandbox_id()));
  CommitOptions options;
  RETURN_IF_ERROR(CheckBranchName(request.branch()));
  options.branch = request.branch();
  ASSIGN_OR_RETURN(options.message, MessageFromProto(request.message()));
  RETURN_IF_ERROR(CheckIdentity(request.author().name(), "author.name"));
  RETURN_IF_ERROR(CheckIdentity(request.author().email(), "author.email"));
  options.name = request.author().name();
  options.email = request.author().email();
  options.time = deps_.clock->Now();
  if (request.has_author_time()) {
    const int64_t seconds = request.author_time().seconds();
    if (seconds < 0 || seconds >= kYear2100) {
      return FieldError("author_time", "must be of the years 1970 to 2099");
    }
    options.time = absl::FromUnixSeconds(seconds);
  }
  ASSIGN_OR_RETURN(options.paths, PathsFromProto(request, sandbox->workdir()));
  ASSIGN_OR_RETURN(const CommitOutcome outcome,
                   deps_.sandboxes->CommitChanges(caller, request.sandbox_id(), options));
  response->set_commit(outcome.commit);
  v1::DiffSummary& summary = *response->mutable_summary();
  summary = ToProto(outcome.patch);
  summary.set_files_changed(outcome.files);
  summary.set_lines_added(outcome.lines_added);
  summary.set_lines_removed(outcome.lines_removed);
  summary.set_digest(outcome.patch_digest);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ChangeService::CommitChanges(grpc::CallbackServerContext* context,
                                                       const v1::CommitChangesRequest* request,
                                                       v1::CommitChangesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"ChangeService/CommitChanges", request->sandbox_id()},
                        deps_.transfers, [this, request, response](const UnaryCall& call) {
                          return Commit(call.caller(), *request, response);
                        });
}

absl::Status ChangeService::Export(const v1::ExportBundleRequest& request,
                                   ProducedStream<v1::ExportBundleResponse>& stream) const {
  RETURN_IF_ERROR(FindSandbox(deps_, stream.caller(), request.sandbox_id()).status());
  ExportOptions options;
  options.commit = request.commit();
  if (request.excluded_commits_size() > kExcludedMax) {
    return FieldError("excluded_commits", absl::StrCat("must be at most ", kExcludedMax));
  }
  for (const std::string& commit : request.excluded_commits()) {
    if (!IsLowerHex(commit, kCommitDigits)) {
      return FieldError("excluded_commits", "must be full object names");
    }
    options.excluded.push_back(commit);
  }
  switch (static_cast<int>(request.format())) {
    case v1::EXPORT_FORMAT_UNSPECIFIED:
    case v1::EXPORT_FORMAT_BUNDLE:
      break;
    case v1::EXPORT_FORMAT_PATCH_SERIES:
      options.series = true;
      break;
    default:
      return FieldError("format", "is none of this release");
  }
  ASSIGN_OR_RETURN(const ExportedCommits exported,
                   deps_.sandboxes->ExportCommits(stream.caller(), request.sandbox_id(), options));
  PatchChunks chunks([&](std::string chunk) {
    v1::ExportBundleResponse response;
    response.set_chunk(std::move(chunk));
    return stream.Write(std::move(response));
  });
  for (uint64_t offset = 0; offset < exported.bytes;) {
    ASSIGN_OR_RETURN(const std::string piece, exported.Read(offset, PatchChunks::kChunkBytes));
    RETURN_IF_ERROR(chunks.Add(piece));
    offset += piece.size();
  }
  ASSIGN_OR_RETURN(const std::string digest, chunks.Finish());
  v1::ExportBundleResponse last;
  last.set_digest(digest);
  return stream.Write(std::move(last));
}

grpc::ServerWriteReactor<v1::ExportBundleResponse>* ChangeService::ExportBundle(
    grpc::CallbackServerContext* context, const v1::ExportBundleRequest* request) {
  using Stream = ProducedStream<v1::ExportBundleResponse>;
  return Stream::Run(deps_, {"ChangeService/ExportBundle", request->sandbox_id()}, context,
                     [this, request](Stream& stream) { return Export(*request, stream); });
}

}  // namespace glovebox
