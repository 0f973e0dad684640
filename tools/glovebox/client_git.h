// The client's own git, in a repository of its own: bare, below a scratch directory, without hooks.
// Never in a tree that a sandbox wrote.
#ifndef GLOVEBOX_TOOLS_CLIENT_GIT_H_
#define GLOVEBOX_TOOLS_CLIENT_GIT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/glovebox/scratch_directory.h"

namespace glovebox {

struct GitCommand {
  std::vector<std::string> arguments;  // without "git"
  // false: it reads what others wrote. No configuration but ours, no network, no terminal, and at
  // most 4 GiB of address space and 10 minutes of processor time.
  // true: it speaks for the user: configuration, credentials, ssh and the terminal as ever; but no
  // hooks, submodules, or commands in the place of a URL (ext::, fd::).
  bool for_user = false;
  int stdin_fd = -1;  // -1: nothing
  // The last line of git's stderr, escaped, each time that there is another.
  std::function<void(absl::string_view)> on_progress = {};
};

struct GitEnded {
  int exit_code = 0;     // 128 + N when signal N ended it
  std::string output;    // at most its first 64 KiB
  std::string messages;  // of stderr, the last 16 KiB; any bytes
  // The last lines that complain, or the last ones; escaped.
  std::string Complaint() const;
};

class ClientGit {
 public:
  // FAILED_PRECONDITION when there is no git.
  static absl::StatusOr<std::unique_ptr<ClientGit>> Make();

  // The error: it could not be started.
  absl::StatusOr<GitEnded> Run(const GitCommand& command) const;

  // For files of the caller's, gone with this.
  const std::string& directory() const { return scratch_->path(); }

 private:
  explicit ClientGit(std::unique_ptr<ScratchDirectory> scratch) : scratch_(std::move(scratch)) {}

  const std::unique_ptr<ScratchDirectory> scratch_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CLIENT_GIT_H_
