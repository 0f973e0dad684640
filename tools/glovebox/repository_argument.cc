#include "tools/glovebox/repository_argument.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

std::string Join(absl::string_view directory, absl::string_view path) {
  if (!path.empty() && path[0] == '/') return std::string(path);
  return absl::StrCat(directory, directory == "/" ? "" : "/", path);
}

absl::StatusOr<std::string> WorkingDirectory() {
  std::array<char, PATH_MAX> buffer{};
  if (::getcwd(buffer.data(), buffer.size()) == nullptr) return ErrnoError(errno, "getcwd");
  return std::string(buffer.data());
}

}  // namespace

absl::StatusOr<RepositoryArgument> ParseRepositoryArgument(
    absl::string_view text, absl::string_view working_directory,
    const std::function<bool(const std::string&)>& exists) {
  const absl::Status refused = absl::InvalidArgumentError(absl::StrCat(
      "\"", EscapeForPeople(text, 200), "\" is not PATH or PATH@COMMIT: a part of it is empty"));
  if (text.empty()) return refused;
  const size_t at = text.rfind('@');
  std::string whole = Join(working_directory, text);
  if (at == absl::string_view::npos || exists(whole)) return RepositoryArgument{whole, ""};
  const absl::string_view commit = text.substr(at + 1);
  if (at == 0 || commit.empty()) return refused;
  return RepositoryArgument{Join(working_directory, text.substr(0, at)), std::string(commit)};
}

absl::StatusOr<RepositoryArgument> ParseRepositoryArgument(absl::string_view text) {
  ASSIGN_OR_RETURN(const std::string directory, WorkingDirectory());
  return ParseRepositoryArgument(
      text, directory, [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; });
}

absl::StatusOr<std::string> AbsolutePath(absl::string_view path) {
  if (path.empty()) return absl::InvalidArgumentError("the path is empty");
  if (path[0] == '/') return std::string(path);
  ASSIGN_OR_RETURN(const std::string directory, WorkingDirectory());
  return Join(directory, path);
}

}  // namespace glovebox
