#include "tests/kernel/snapshot/fake_worker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "tests/kernel/snapshot/state_directory.h"

namespace glovebox {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status MountOver(const std::vector<Layer>& base, const Disk& disk,
                       const std::string& target) {
  std::filesystem::create_directory(target);
  std::string options = "userxattr,lowerdir=";
  for (const Layer& layer : base) {
    absl::StrAppend(&options, &layer == &base.front() ? "" : ":", layer.mount_path, "/",
                    layer.subdirectory);
  }
  absl::StrAppend(&options, ",upperdir=", disk.mount_path(), "/upper,workdir=", disk.mount_path(),
                  "/work");
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("mount ", options));
}

}  // namespace

absl::StatusOr<WorkerResult> FakeWorker::Run(const WorkerJob& job) {
  ++runs;
  runs_over_a_base += job.base.empty() ? 0 : 1;
  ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk, disks_->Create(job.disk_bytes, job.disk_inodes));
  const std::string upper = absl::StrCat(disk->mount_path(), "/upper");
  std::filesystem::create_directories(absl::StrCat(upper, "/home/agent"));
  std::vector<std::pair<std::string, std::string>> paths = {
      {"/home/agent", absl::StrCat(upper, "/home/agent")},
      {"/image-root", absl::StrCat(upper, "/image-root")}};
  for (const WorkerBind& bind : job.binds) paths.emplace_back(bind.target, bind.host_path);
  const std::string merged = absl::StrCat(disk->mount_path(), "/merged");
  if (!job.base.empty()) {
    RETURN_IF_ERROR(MountOver(job.base, *disk, merged));
    paths = {{"/workspace", absl::StrCat(merged, "/workspace")},
             {"/home/agent", absl::StrCat(upper, "/home/agent")}};
    for (const WorkerBind& bind : job.binds) paths.emplace_back(bind.target, bind.host_path);
  }
  std::vector<std::string> arguments = job.arguments;
  for (size_t i = 3; i < arguments.size(); ++i) {  // after sh -c SCRIPT
    arguments[i] = absl::StrReplaceAll(arguments[i], paths);
  }
  std::vector<std::string> environment = job.environment;
  for (std::string& entry : environment) entry = absl::StrReplaceAll(entry, paths);

  const std::string out = absl::StrCat(disk->mount_path(), "/work/out");
  const std::string err = absl::StrCat(disk->mount_path(), "/work/err");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, arguments[0].c_str(), &actions, nullptr,
                                  Pointers(arguments).data(), Pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoError(error, "posix_spawn");
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return ErrnoError(errno, "waitpid");

  if (!job.base.empty() && ::umount2(merged.c_str(), 0) != 0) return ErrnoError(errno, "umount2");

  WorkerResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.end = absl::StrCat("status ", status);
  result.stdout_bytes = ReadFile(out);
  const std::string errors = ReadFile(err);
  if (job.on_stderr) job.on_stderr(errors);
  result.stderr_tail = errors.substr(errors.size() > 4096 ? errors.size() - 4096 : 0);
  result.disk = std::move(disk);
  if (before_return) before_return(&result);
  return result;
}

}  // namespace glovebox
