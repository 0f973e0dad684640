#include "tools/glovebox/import_argument.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tools/glovebox/create_options.h"
#include "tools/glovebox/repository_argument.h"

namespace glovebox {
namespace {

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// As git tells them apart: a working tree, or a bare repository.
bool IsRepository(const std::string& path) {
  return Exists(absl::StrCat(path, "/.git")) ||
         (Exists(absl::StrCat(path, "/HEAD")) && Exists(absl::StrCat(path, "/objects")) &&
          Exists(absl::StrCat(path, "/refs")));
}

// A file that cannot be read is the daemon's to judge: it may be able to.
bool IsBundle(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  char beginning[16] = {};
  const ssize_t size = file.valid() ? ::read(file.get(), beginning, sizeof beginning) : -1;
  return size > 0 &&
         absl::StartsWith(absl::string_view(beginning, static_cast<size_t>(size)), "# v") &&
         absl::StrContains(absl::string_view(beginning, static_cast<size_t>(size)), " git bundl");
}

absl::Status CheckIs(const std::string& path, bool directory) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return ErrnoError(errno, absl::StrCat("stat ", EscapeForPeople(path)));
  }
  if (directory == S_ISDIR(status.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      EscapeForPeople(path), directory ? " is no directory; import it with --tar"
                                       : " is a directory; import it with --directory"));
}

absl::Status CheckHistory(const ImportArgument& argument,
                          const v1::ImportSnapshotRequest& request) {
  if (request.has_repository() || request.has_remote_repository()) return absl::OkStatus();
  if (argument.history.empty() && argument.commit.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("--history and --commit are for repositories; this is none");
}

absl::StatusOr<v1::ImportSnapshotRequest> ParseSource(const ImportArgument& argument) {
  const int given = (argument.source.empty() ? 0 : 1) + (argument.tar.empty() ? 0 : 1) +
                    (argument.directory.empty() ? 0 : 1) + (argument.upload.empty() ? 0 : 1);
  if (given != 1) {
    return absl::InvalidArgumentError(
        "give one of PATH[@COMMIT], URL, --tar FILE, --directory DIR and --upload PATH");
  }
  v1::ImportSnapshotRequest request;
  if (!argument.upload.empty()) return request;
  if (!argument.tar.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_archive_path(), AbsolutePath(argument.tar));
    RETURN_IF_ERROR(CheckIs(request.archive_path(), /*directory=*/false));
    return request;
  }
  if (!argument.directory.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_directory_path(), AbsolutePath(argument.directory));
    RETURN_IF_ERROR(CheckIs(request.directory_path(), /*directory=*/true));
    return request;
  }
  if (absl::StrContains(argument.source, "://")) {
    request.mutable_remote_repository()->set_url(argument.source);
    request.mutable_remote_repository()->set_commit(argument.commit);
    for (const std::string& secret : argument.secrets) {
      request.mutable_remote_repository()->set_secret_name(secret);
    }
    request.mutable_remote_repository()->set_user(argument.user);
    return request;
  }
  RepositoryArgument repository;
  if (argument.commit.empty()) {
    ASSIGN_OR_RETURN(repository, ParseRepositoryArgument(argument.source));
  } else {
    ASSIGN_OR_RETURN(repository.path, AbsolutePath(argument.source));
    repository.commit = argument.commit;
  }
  struct stat status {};
  const bool there = ::stat(repository.path.c_str(), &status) == 0;
  if (there && repository.commit.empty()) {
    if (S_ISDIR(status.st_mode) && !IsRepository(repository.path)) {
      request.set_directory_path(std::move(repository.path));
      return request;
    }
    if (S_ISREG(status.st_mode) && !IsBundle(repository.path)) {
      request.set_archive_path(std::move(repository.path));
      return request;
    }
  }
  request.mutable_repository()->set_path(std::move(repository.path));
  request.mutable_repository()->set_commit(std::move(repository.commit));
  return request;
}

}  // namespace

absl::StatusOr<v1::ImportSnapshotRequest> ParseImportArgument(const ImportArgument& argument) {
  if (argument.secrets.size() > 1 || (!argument.secrets.empty() && argument.secrets[0].empty())) {
    return absl::InvalidArgumentError("--secret is the name of one secret (glovebox secret ls)");
  }
  ASSIGN_OR_RETURN(v1::ImportSnapshotRequest request, ParseSource(argument));
  if (!request.has_remote_repository() && !(argument.secrets.empty() && argument.user.empty())) {
    return absl::InvalidArgumentError("--secret and --user are for https:// URLs; this is none");
  }
  RETURN_IF_ERROR(CheckHistory(argument, request));
  ASSIGN_OR_RETURN(const v1::RepositoryHistory history, ParseHistoryArgument(argument.history));
  if (request.has_repository()) request.mutable_repository()->set_history(history);
  if (request.has_remote_repository()) request.mutable_remote_repository()->set_history(history);
  return request;
}

}  // namespace glovebox
