#include "tools/glovebox/input_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;

}  // namespace

absl::StatusOr<UniqueFd> OpenInputFile(const std::string& name) {
  const bool is_stdin = name == "-";
  UniqueFd fd(is_stdin ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                       : ::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, is_stdin ? "stdin" : name);
  return fd;
}

absl::StatusOr<std::string> ReadInput(int fd, size_t size) {
  std::string bytes(size, '\0');
  for (;;) {
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "read");
    bytes.resize(static_cast<size_t>(got));
    return bytes;
  }
}

absl::StatusOr<std::string> ReadInputFile(const std::string& name, size_t bytes_max) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenInputFile(name));
  std::string content;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, ReadInput(fd.get(), kPieceBytes));
    if (piece.empty()) return content;
    content += piece;
    if (content.size() > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name == "-" ? "stdin" : name, " has more than ", bytes_max, " bytes"));
    }
  }
}

}  // namespace glovebox
