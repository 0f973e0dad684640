// glovebox cp: files between here and a sandbox, as tar streams.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/archive_pack.h"
#include "tools/glovebox/archive_unpack.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_tar.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

constexpr size_t kReadBytes = 256 << 10;

struct Options {
  std::string from;
  std::string to;
  std::string limit = "16GiB";
};

struct Copied {
  uint64_t entries = 0;
  uint64_t skipped = 0;
};

absl::StatusOr<DestinationKind> KindHere(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? DestinationKind::kDirectory : DestinationKind::kFile;
  }
  if (errno == ENOENT) return DestinationKind::kMissing;
  return ErrnoError(errno, absl::StrCat("stat ", EscapeForPeople(path)));
}

// "-C D -- N": a name with a backslash would be unquoted by GNU tar.
std::vector<std::string> TarCreate(const CopySource& source) {
  std::vector<std::string> arguments = {"tar", "-c", "-f", "-", "-C", source.directory};
  if (source.name.find('\\') != std::string::npos) arguments.emplace_back("--no-unquote");
  arguments.emplace_back("--");
  arguments.push_back(source.name);
  return arguments;
}

absl::Status StreamOut(SandboxTar& tar) {
  if (::isatty(STDOUT_FILENO) == 1) {
    return absl::FailedPreconditionError("a tar stream is not for a terminal: redirect stdout");
  }
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view piece, tar.NextPiece());
    if (piece.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(WriteOut(STDOUT_FILENO, piece));
  }
}

absl::Status Download(Connection& connection, const std::string& id, const std::string& path,
                      const std::string& local, uint64_t limit, Copied* copied) {
  const CopySource source = SplitSource(path);
  SandboxTar tar(connection, id, TarCreate(source), /*with_input=*/false);
  if (local == "-") return StreamOut(tar);
  ASSIGN_OR_RETURN(const DestinationKind kind, KindHere(local));
  UnpackResult result;
  const absl::Status status =
      UnpackTree([&tar] { return tar.NextPiece(); }, source.name,
                 [&](bool is_directory) -> absl::StatusOr<CopyTarget> {
                   if (source.must_be_directory && !is_directory) {
                     return absl::FailedPreconditionError("the source is not a directory");
                   }
                   return PlanTarget(source, is_directory, local, kind);
                 },
                 limit, &result);
  RETURN_IF_ERROR(status);
  // The archive's end comes before the command's: what tar has to complain of is in the latter.
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view piece, tar.NextPiece());
    if (piece.empty()) break;
  }
  *copied = {result.entries, result.skipped};
  return absl::OkStatus();
}

// All of our stdin; the descriptor's end is the archive's.
absl::Status SendStdin(StdinWriter& input) {
  std::vector<char> buffer(kReadBytes);
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "read stdin");
    if (count == 0) return absl::OkStatus();
    RETURN_IF_ERROR(input.Write({buffer.data(), static_cast<size_t>(count)}));
  }
}

absl::StatusOr<CopyTarget> TargetInside(const CopySource& source, bool is_directory,
                                        const std::string& path, DestinationKind kind) {
  if (kind == DestinationKind::kDirectory && source.directory.empty()) {
    return CopyTarget{path, "."};  // a tar stream names its members itself
  }
  return PlanTarget(source, is_directory, path, kind);
}

absl::Status Upload(Connection& connection, const std::string& local, const std::string& id,
                    const std::string& path, Copied* copied) {
  ASSIGN_OR_RETURN(const DestinationKind kind, KindInside(connection, id, path));
  CopySource source;
  bool is_directory = false;
  if (local == "-") {
    if (kind != DestinationKind::kDirectory) {
      return absl::NotFoundError(
          absl::StrCat(EscapeForPeople(path), " is not a directory in the sandbox"));
    }
  } else {
    source = SplitSource(local);
    struct stat info {};
    if (::lstat(local.c_str(), &info) != 0) {
      return ErrnoError(errno, absl::StrCat("stat ", EscapeForPeople(local)));
    }
    is_directory = S_ISDIR(info.st_mode);
    if (source.must_be_directory && !is_directory) {
      return absl::FailedPreconditionError(
          absl::StrCat(EscapeForPeople(local), " is not a directory"));
    }
  }
  ASSIGN_OR_RETURN(const CopyTarget target, TargetInside(source, is_directory, path, kind));
  SandboxTar tar(connection, id, {"tar", "-x", "-p", "-o", "-f", "-", "-C", target.directory},
                 /*with_input=*/true);
  RETURN_IF_ERROR(tar.Start());
  PackResult result;
  absl::Status sent =
      local == "-"
          ? SendStdin(tar.input())
          : PackTree(
                source.directory, source.name, target.name,
                [&tar](absl::string_view bytes) { return tar.input().Write(bytes); }, &result);
  if (sent.ok()) sent = tar.input().Close();
  // tar reads no further than to the archive's end mark; whether that was early, its exit code
  // tells best.
  const bool stopped = HasReason(sent, "STDIN_CLOSED") || HasReason(sent, "EXEC_ENDED");
  if (!sent.ok() && !stopped) return sent;
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view piece, tar.NextPiece());
    if (piece.empty()) break;
  }
  *copied = {result.entries, result.skipped};
  return absl::OkStatus();
}

absl::Status Copy(const Invocation& invocation, const Options& options, Copied* copied) {
  ASSIGN_OR_RETURN(const uint64_t limit, ParseSize(options.limit));
  ASSIGN_OR_RETURN(const CopyPlace from, ParseCopyPlace(options.from));
  ASSIGN_OR_RETURN(const CopyPlace to, ParseCopyPlace(options.to));
  if (from.sandbox.has_value() == to.sandbox.has_value()) {
    return absl::InvalidArgumentError("exactly one side must be in a sandbox, written ID:PATH");
  }
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(const std::string id,
                   ResolveSandbox(*connection, from.sandbox ? *from.sandbox : *to.sandbox));
  if (from.sandbox) return Download(*connection, id, from.path, to.path, limit, copied);
  return Upload(*connection, from.path, id, to.path, copied);
}

int Cp(const Invocation& invocation, const Options& options) {
  Copied copied;
  const absl::Status status = Copy(invocation, options, &copied);
  if (!status.ok()) return Fail("cp", status, kExitFailure);
  if (!invocation.json || options.to == "-") return 0;
  return Print(Pretty({{"entries", copied.entries}, {"skipped", copied.skipped}}));
}

}  // namespace

void AddCp(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb =
      AddVerb(app, invocation, "cp", "Copy files from or to a sandbox",
              "  glovebox cp 3f2a:build/out.log .\n"
              "  glovebox cp src/. 3f2a:/workspace\n"
              "  glovebox cp 3f2a:/workspace - > workspace.tar\n"
              "  glovebox cp - 3f2a:/tmp < files.tar\n"
              "As with docker cp: into a directory that exists, under a new name where none does,\n"
              "and \"dir/.\" is the content of dir. \"-\" is a tar stream.",
              [&invocation, options] { return Cp(invocation, *options); });
  verb.AddOption("FROM", options->from, "ID:PATH, a local path, or -").Required();
  verb.AddOption("TO", options->to, "A local path, ID:PATH, or -").Required();
  verb.AddOption("--limit", options->limit, "Most bytes that a sandbox may send (16GiB)")
      .TypeName("SIZE");
}

}  // namespace glovebox
