#include "tools/glovebox/client_git.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tools/glovebox/child_process.h"

namespace glovebox {
namespace {

constexpr size_t kOutputBytesMax = 64 << 10;
constexpr size_t kMessageBytesMax = 16 << 10;
constexpr size_t kComplaintBytesMax = 1000;

// Where a repository is, and how its objects are read: the caller's is not the one that is meant
// (git rev-parse --local-env-vars, but for the configuration among them).
constexpr std::array<absl::string_view, 17> kDropped = {"GIT_DIR",
                                                        "GIT_WORK_TREE",
                                                        "GIT_INDEX_FILE",
                                                        "GIT_COMMON_DIR",
                                                        "GIT_OBJECT_DIRECTORY",
                                                        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                                                        "GIT_NAMESPACE",
                                                        "GIT_PREFIX",
                                                        "GIT_SHALLOW_FILE",
                                                        "GIT_GRAFT_FILE",
                                                        "GIT_REPLACE_REF_BASE",
                                                        "GIT_IMPLICIT_WORK_TREE",
                                                        "GIT_DEFAULT_HASH",
                                                        "GIT_TEMPLATE_DIR",
                                                        "GIT_QUARANTINE_PATH",
                                                        "LC_ALL",
                                                        "LANGUAGE"};

std::vector<std::string> Environment(const std::string& directory, bool for_user) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view name =
        absl::string_view(*entry).substr(0, absl::string_view(*entry).find('='));
    if (std::find(kDropped.begin(), kDropped.end(), name) != kDropped.end()) continue;
    const bool of_git = absl::StartsWith(name, "GIT_") && name != "GIT_EXEC_PATH";
    if (!for_user && (of_git || name == "HOME" || name == "XDG_CONFIG_HOME")) continue;
    environment.emplace_back(*entry);
  }
  environment.push_back(absl::StrCat("GIT_DIR=", directory, "/repository.git"));
  // What is understood of its answers is English.
  environment.insert(environment.end(), {"LC_ALL=C", "GIT_NO_REPLACE_OBJECTS=1"});
  if (for_user) return environment;
  environment.push_back(absl::StrCat("HOME=", directory));
  environment.insert(environment.end(),
                     {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
                      "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file"});
  return environment;
}

std::vector<std::string> CommandLine(const GitCommand& command) {
  std::vector<std::string> line;
  if (!command.for_user) {
    line = {"/bin/sh", "-c", "ulimit -t 600 && ulimit -v 4194304 && exec \"$@\"", "sh"};
  }
  line.emplace_back("git");
  // -c goes before every file and variable, and git takes it away from what runs at a target.
  for (const char* setting :
       {"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.logAllRefUpdates=false",
        "submodule.recurse=false", "push.recurseSubmodules=no", "fetch.recurseSubmodules=false",
        "push.followTags=false", "fetch.writeCommitGraph=false", "gc.auto=0",
        "maintenance.auto=false", "protocol.version=2", "protocol.ext.allow=never",
        "protocol.fd.allow=never"}) {
    line.insert(line.end(), {"-c", setting});
  }
  if (!command.for_user) {
    // Memory stays bounded whatever the objects are.
    for (const char* setting :
         {"core.bigFileThreshold=64m", "core.packedGitLimit=512m", "core.packedGitWindowSize=64m",
          "core.deltaBaseCacheLimit=64m", "pack.threads=1"}) {
      line.insert(line.end(), {"-c", setting});
    }
  }
  line.insert(line.end(), command.arguments.begin(), command.arguments.end());
  return line;
}

// "remote: counting", without what comes after it: the last line with anything in it.
absl::string_view LastLine(absl::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const size_t end = text.find_last_of("\r\n");
  return end == absl::string_view::npos ? text : text.substr(end + 1);
}

class Reader {
 public:
  Reader(const GitCommand& command, GitEnded* ended) : command_(command), ended_(ended) {}

  // False at its end; nothing more may be there yet.
  bool Take(int fd, bool is_output) {
    std::array<char, 8192> buffer;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    const absl::string_view bytes(buffer.data(), static_cast<size_t>(got));
    if (is_output) {
      ended_->output.append(bytes.data(),
                            std::min(bytes.size(), kOutputBytesMax - ended_->output.size()));
      return true;
    }
    std::string& messages = ended_->messages;
    messages.append(bytes.data(), bytes.size());
    if (messages.size() > kMessageBytesMax) {
      messages.erase(0, messages.size() - kMessageBytesMax);
    }
    if (command_.on_progress) command_.on_progress(EscapeForPeople(LastLine(messages), 200));
    return true;
  }

 private:
  const GitCommand& command_;
  GitEnded* const ended_;
};

struct Pipe {
  UniqueFd read, write;
  absl::Status Open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe2");
    read.Reset(ends[0]);
    write.Reset(ends[1]);
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, "fcntl");
    return absl::OkStatus();
  }
};

// Until the program has ended and what it wrote is read. Not until the pipes end: what it left
// behind (a connection of ssh's that is shared, a cache of credentials) may hold them for hours.
void ReadUntilEnd(int pidfd, int output_fd, int message_fd, Reader& reader) {
  std::array<pollfd, 3> wait{{{output_fd, POLLIN, 0}, {message_fd, POLLIN, 0}, {pidfd, POLLIN, 0}}};
  for (;;) {
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    bool any = false;
    for (size_t i = 0; i < 2; ++i) {
      if (wait[i].revents == 0) continue;
      any = true;
      if (!reader.Take(wait[i].fd, i == 0)) wait[i].fd = -1;
    }
    if (!any && wait[2].revents != 0) return;
  }
}

}  // namespace

std::string GitEnded::Complaint() const {
  std::string complaints;
  std::string last;
  for (absl::string_view line : absl::StrSplit(messages, absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    last = std::string(line);
    const bool complains = absl::StartsWith(line, "fatal: ") || absl::StartsWith(line, "error: ") ||
                           absl::StartsWith(line, "remote: ");
    if (complains) absl::StrAppend(&complaints, complaints.empty() ? "" : "; ", line);
  }
  const std::string& words = complaints.empty() ? last : complaints;
  if (words.empty()) return absl::StrCat("git ended with ", exit_code);
  return EscapeForPeople(words, kComplaintBytesMax);
}

absl::StatusOr<std::unique_ptr<ClientGit>> ClientGit::Make() {
  ASSIGN_OR_RETURN(auto scratch, ScratchDirectory::Make("push"));
  std::unique_ptr<ClientGit> git(new ClientGit(std::move(scratch)));
  // For the user, to be found in PATH as a whole: a missing program is told from one that fails.
  GitCommand init;
  init.arguments = {"init",
                    "-q",
                    "--bare",
                    "--template=",
                    "--object-format=sha1",
                    git->directory() + "/repository.git"};
  init.for_user = true;
  ASSIGN_OR_RETURN(const GitEnded ended, git->Run(init));
  if (ended.exit_code == 0) return git;
  return absl::FailedPreconditionError(
      absl::StrCat("git cannot make a repository: ", ended.Complaint()));
}

absl::StatusOr<GitEnded> ClientGit::Run(const GitCommand& command) const {
  Pipe output;
  Pipe messages;
  RETURN_IF_ERROR(output.Open());
  RETURN_IF_ERROR(messages.Open());
  UniqueFd nothing;
  if (command.stdin_fd < 0) nothing.Reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnOptions options;
  options.Give(command.stdin_fd < 0 ? nothing.get() : command.stdin_fd, STDIN_FILENO);
  options.Give(output.write.get(), STDOUT_FILENO);
  options.Give(messages.write.get(), STDERR_FILENO);
  // What speaks for the user may leave a program behind, which must not keep the directory.
  if (!command.for_user) options.Give(scratch_->alive_fd(), scratch_->alive_fd());
  pid_t pid = -1;
  const int error =
      SpawnProgram(CommandLine(command), Environment(directory(), command.for_user), options, &pid);
  if (error == ENOENT) {
    return DetailedError(absl::StatusCode::kFailedPrecondition, "git is not here",
                         {"HOST_TOOL_MISSING", {{"remedy", "install git (apt-get install git)"}}});
  }
  if (error != 0) return ErrnoError(error, "start git");
  output.write.Reset();
  messages.write.Reset();
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int pidfd_error = errno;
  GitEnded ended;
  Reader reader(command, &ended);
  if (pidfd.valid()) {
    ReadUntilEnd(pidfd.get(), output.read.get(), messages.read.get(), reader);
  } else {
    output.read.Reset();  // so that it ends when it has anything to say
    messages.read.Reset();
  }
  ASSIGN_OR_RETURN(const int status, WaitForChild(pid));
  if (!pidfd.valid()) return ErrnoError(pidfd_error, "pidfd_open");
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

}  // namespace glovebox
