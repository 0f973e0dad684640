#include "tests/bench/peer_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox::bench {
namespace {

constexpr size_t kProfileBytesMax = size_t{1} << 20;
constexpr char kAllowed[] =
    "access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres clock_gettime "
    "clock_nanosleep "
    "clone close close_range connect copy_file_range dup dup2 dup3 epoll_create1 epoll_ctl "
    "epoll_pwait epoll_wait eventfd2 execve execveat exit exit_group faccessat faccessat2 "
    "fadvise64 fallocate fchdir fchmod fchmodat fchown fchownat fcntl fdatasync flock fork fstat "
    "fstatfs fsync ftruncate futex getcpu getcwd getdents64 getegid geteuid getgid getgroups "
    "getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid "
    "getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr "
    "inotify_add_watch inotify_init1 ioctl kill link linkat listen lseek lstat madvise "
    "memfd_create mkdir mkdirat mmap mprotect mremap msync munmap nanosleep newfstatat open openat "
    "openat2 pause pidfd_open pidfd_send_signal pipe pipe2 poll ppoll prctl pread64 prlimit64 "
    "pselect6 pwrite64 read readlink readlinkat readv recvfrom recvmsg rename renameat renameat2 "
    "rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait sched_getaffinity sched_yield select sendfile sendmsg sendto set_robust_list "
    "set_tid_address setgid setgroups setpgid setresgid setresuid setsid setsockopt setuid "
    "shutdown sigaltstack socket socketpair splice stat statfs statx symlink symlinkat sync "
    "tgkill time timerfd_create timerfd_settime truncate umask uname unlink unlinkat utimensat "
    "vfork wait4 waitid write writev";

std::vector<std::string> AllowedCalls() { return absl::StrSplit(kAllowed, ' '); }

nlohmann::json OciMounts() {
  using nlohmann::json;
  auto tmpfs = [](const char* where, const char* size) {
    return json{{"destination", where},
                {"type", "tmpfs"},
                {"source", "tmpfs"},
                {"options", {"nosuid", "nodev", "mode=1777", size}}};
  };
  return {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
          {{"destination", "/dev"},
           {"type", "tmpfs"},
           {"source", "tmpfs"},
           {"options", {"nosuid", "mode=755", "size=64k"}}},
          {{"destination", "/dev/pts"},
           {"type", "devpts"},
           {"source", "devpts"},
           {"options", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}}},
          tmpfs("/dev/shm", "size=64m"),
          tmpfs("/tmp", "size=64m")};
}

}  // namespace

absl::StatusOr<UniqueFd> CompileFilter() {
  std::unique_ptr<void, void (*)(void*)> context(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)),
                                                 seccomp_release);
  if (context == nullptr) return absl::InternalError("seccomp_init failed");
  for (const std::string& name : AllowedCalls()) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number < 0) continue;  // of another architecture
    int error = seccomp_rule_add(context.get(), SCMP_ACT_ALLOW, number, 0);
    if (error != 0) return ErrnoError(-error, "seccomp_rule_add(" + name + ")");
  }
  UniqueFd fd(memfd_create("filter", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "memfd_create(filter)");
  int error = seccomp_export_bpf(context.get(), fd.get());
  if (error != 0) return ErrnoError(-error, "seccomp_export_bpf");
  return fd;
}

std::string OciConfig(const std::string& root, const std::string& cgroup_path,
                      const std::string& program) {
  using nlohmann::json;
  const json range = json::array({{{"containerID", 0}, {"hostID", 0x70000000}, {"size", 65536}}});
  const json capabilities = {"CAP_KILL", "CAP_SETUID", "CAP_SETGID"};
  json namespaces = json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup", "network", "user"}) {
    namespaces.push_back({{"type", type}});
  }
  json config;
  config["ociVersion"] = "1.0.0";
  config["hostname"] = "bench";
  config["root"] = {{"path", root}, {"readonly", true}};
  config["mounts"] = OciMounts();
  config["process"] = {
      {"terminal", false},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", json::array({program})},
      {"cwd", "/"},
      {"env", json::array({"PATH=/bin"})},
      {"noNewPrivileges", true},
      {"capabilities",
       {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}}};
  config["linux"] = {
      {"namespaces", namespaces},
      {"uidMappings", range},
      {"gidMappings", range},
      {"cgroupsPath", cgroup_path},
      {"resources", {{"memory", {{"limit", 256 << 20}}}, {"pids", {{"limit", 128}}}}},
      {"maskedPaths", {"/proc/kcore", "/proc/keys", "/proc/timer_list"}},
      {"readonlyPaths", {"/proc/sys"}},
      {"seccomp",
       {{"defaultAction", "SCMP_ACT_ERRNO"},
        {"defaultErrnoRet", ENOSYS},
        {"architectures", json::array({"SCMP_ARCH_X86_64"})},
        {"syscalls", json::array({{{"names", AllowedCalls()}, {"action", "SCMP_ACT_ALLOW"}}})}}}};
  return config.dump(1);
}

absl::StatusOr<std::string> OciHostConfig(const HostRoot& host,
                                          const std::vector<std::string>& arguments,
                                          const std::string& profile) {
  using nlohmann::json;
  ASSIGN_OR_RETURN(std::string text, ReadFileAt(AT_FDCWD, profile, kProfileBytesMax));
  const json given = json::parse(text, nullptr, false);
  if (given.is_discarded()) return absl::InvalidArgumentError(profile + " is not JSON");
  json calls = json::array();
  for (const json& entry : given.value("syscalls", json::array())) {
    const json includes = entry.value("includes", json::object());
    if (entry.value("action", "") != "SCMP_ACT_ALLOW" || includes.contains("caps")) continue;
    const json arches = includes.value("arches", json::array({"amd64"}));
    if (std::find(arches.begin(), arches.end(), "amd64") == arches.end()) continue;
    json call = {{"names", entry["names"]}, {"action", "SCMP_ACT_ALLOW"}};
    if (entry.contains("args") && entry["args"].is_array()) call["args"] = entry["args"];
    calls.push_back(call);
  }
  json config = json::parse(OciConfig(host.root, host.cgroup_path, ""));
  config["process"]["args"] = arguments;
  config["process"]["env"] = {"PATH=/usr/bin:/bin"};
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"/usr", "/usr"}, {host.programs, "/mnt"}, {host.source, "/src"}}) {
    config["mounts"].push_back({{"destination", to},
                                {"type", "bind"},
                                {"source", from},
                                {"options", {"bind", "ro", "nosuid", "nodev"}}});
  }
  config["linux"]["resources"]["memory"]["limit"] = 1 << 30;
  config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ERRNO"},
      {"defaultErrnoRet", EPERM},
      {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
      {"syscalls", calls}};
  return config.dump(1);
}

}  // namespace glovebox::bench
