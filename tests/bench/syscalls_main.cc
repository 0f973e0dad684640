// bench_syscalls: what filters cost: loading them, and calls under them, beside no filter and a
// profile of the OCI form (--profile /usr/share/containers/seccomp.json, runc's and podman's
// default). Prints one line a figure. See --help.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launcher/seccomp_compiler.h"

namespace glovebox::bench {
namespace {

using Program = std::vector<sock_filter>;

struct Variant {
  const char* name;
  std::vector<Program> programs;  // in the order of their installation
  bool told = false;              // the last one has a listener
};

// CPU time of the caller, which other load on the machine changes least. What waits for another
// process, a told call, is measured by the wall clock.
uint64_t NowNs(clockid_t clock) {
  timespec now{};
  (void)clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

long Install(const Program& program, unsigned flags) {
  sock_fprog filter{static_cast<unsigned short>(program.size()),
                    const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

// As glovebox-init: poll, receive, answer.
[[noreturn]] void Answer(int listener) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)ioctl(listener, SECCOMP_IOW(4, __u64), 1UL);  // wake the caller on this CPU; since 6.6
  for (;;) {
    pollfd ready{listener, POLLIN, 0};
    if (poll(&ready, 1, -1) != 1) continue;
    seccomp_notif told{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &told) < 0) continue;
    seccomp_notif_resp answer{told.id, 0, -EPERM, 0};
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

// `body` in a child under the variant's filters; its result by way of shared memory. The time of
// the installations is in load_ns.
double InChild(const Variant& variant, const std::function<double()>& body, double* load_ns) {
  auto* results = static_cast<double*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t pid = fork();
  if (pid == 0) {
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const uint64_t start = NowNs(CLOCK_THREAD_CPUTIME_ID);
    long last = 0;
    for (size_t i = 0; i < variant.programs.size(); ++i) {
      const bool listens = variant.told && i + 1 == variant.programs.size();
      last = Install(variant.programs[i], listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
      if (last < 0) _exit(1);
    }
    results[1] = static_cast<double>(NowNs(CLOCK_THREAD_CPUTIME_ID) - start);
    pid_t answerer = -1;
    if (variant.told && (answerer = fork()) == 0) Answer(static_cast<int>(last));
    results[0] = body();
    if (answerer > 0) (void)kill(answerer, SIGKILL);
    _exit(0);
  }
  int status = 0;
  (void)waitpid(pid, &status, 0);
  const double result = status == 0 ? results[0] : -1;
  *load_ns = results[1];
  (void)munmap(results, 4096);
  return result;
}

double NsPerCall(const std::function<void()>& call, int count, clockid_t clock) {
  for (int i = 0; i < count / 10; ++i) call();
  const uint64_t start = NowNs(clock);
  for (int i = 0; i < count; ++i) call();
  return static_cast<double>(NowNs(clock) - start) / count;
}

// The least: what the work itself takes.
double Least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

scmp_compare OperatorOf(const std::string& name) {
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  return SCMP_CMP_GT;
}

// As runc compiles it for a container without capabilities: the entries that some capability brings
// are left out.
Program CompileProfile(const std::string& path) {
  const auto profile = nlohmann::json::parse(std::ifstream(path), nullptr, false);
  if (profile.is_discarded()) return {};
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  (void)seccomp_arch_add(context, SCMP_ARCH_X86);
  (void)seccomp_arch_add(context, SCMP_ARCH_X32);
  for (const auto& entry : profile["syscalls"]) {
    if (entry["action"] != "SCMP_ACT_ALLOW" || entry["includes"].contains("caps")) continue;
    if (entry["includes"].contains("arches")) continue;
    std::vector<scmp_arg_cmp> tests;
    if (entry.contains("args") && entry["args"].is_array()) {
      for (const auto& test : entry["args"]) {
        tests.push_back({test["index"].get<unsigned>(), OperatorOf(test["op"]),
                         test["value"].get<uint64_t>(), test.value("valueTwo", uint64_t{0})});
      }
    }
    for (const auto& name : entry["names"]) {
      const int number = seccomp_syscall_resolve_name(name.get<std::string>().c_str());
      if (number == __NR_SCMP_ERROR) continue;
      (void)seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number,
                                   static_cast<unsigned>(tests.size()), tests.data());
    }
  }
  const int fd = memfd_create("profile", MFD_CLOEXEC);
  Program program;
  struct stat status {};
  if (seccomp_export_bpf(context, fd) == 0 && fstat(fd, &status) == 0) {
    program.resize(static_cast<size_t>(status.st_size) / sizeof(sock_filter));
    if (pread(fd, program.data(), static_cast<size_t>(status.st_size), 0) != status.st_size) {
      program.clear();
    }
  }
  (void)close(fd);
  seccomp_release(context);
  return program;
}

void Measure(const Variant& variant, int count, int rounds) {
  struct Case {
    const char* name;
    std::function<void()> call;
    int divisor;
  };
  const std::vector<Case> cases = {
      {"getppid", [] { (void)syscall(SYS_getppid); }, 1},
      {"ioctl(-1, TCGETS)", [] { (void)syscall(SYS_ioctl, -1, 0x5401, 0); }, 1},
      {"socket(-1)", [] { (void)syscall(SYS_socket, 1, -1, 0); }, 1},
      {"mount (refused)", [] { (void)syscall(SYS_mount, -1, -1, -1, 0, -1); }, 20},
  };
  double load = 0;
  for (const Case& one : cases) {
    const bool waits = variant.told && one.divisor > 1;
    const clockid_t clock = waits ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    std::vector<double> samples;
    for (int i = 0; i < rounds; ++i) {
      samples.push_back(InChild(
          variant, [&] { return NsPerCall(one.call, count / one.divisor, clock); }, &load));
    }
    (void)printf("%-34s %-20s %9.1f ns\n", variant.name, one.name, Least(samples));
  }
  std::vector<double> loads;
  for (int i = 0; i < 20 * rounds; ++i) {
    (void)InChild(
        variant, [] { return 0.0; }, &load);
    loads.push_back(load);
  }
  size_t instructions = 0;
  for (const Program& program : variant.programs) instructions += program.size();
  (void)printf("%-34s %-20s %9.1f us  (%zu instructions)\n", variant.name, "load",
               Least(loads) / 1000, instructions);
}

int Main(int argc, char** argv) {
  int count = 1'000'000, rounds = 7;
  std::string profile;
  bool bare = false;
  CLI::App app("Measures what system call filters cost.");
  app.add_option("--count", count, "calls of a sample")->check(CLI::Range(1000, 100'000'000));
  app.add_option("--rounds", rounds, "samples of a figure")->check(CLI::Range(1, 1000));
  app.add_option("--profile", profile, "an OCI seccomp profile to compare with");
  app.add_flag("--bare", bare, "without any filter only, to be run inside of something else");
  CLI11_PARSE(app, argc, argv);
  Measure({"no filter", {}}, count, rounds);
  if (bare) return 0;
  const SeccompPrograms kernel = CompileSeccomp(SeccompTier::kBuild, RefusalForm::kErrno);
  const SeccompPrograms told = CompileSeccomp(SeccompTier::kBuild, RefusalForm::kTold);
  Measure({"build, in the kernel", {kernel.allow_list, kernel.argument_rules}}, count, rounds);
  Measure({"build, told (as shipped)", {told.allow_list, told.argument_rules}, true}, count,
          rounds);
  Measure({"  of it filter A (once)", {told.allow_list}}, count, rounds);
  Measure({"  of it filter B (per command)", {told.argument_rules}, true}, count, rounds);
  if (!profile.empty()) Measure({"OCI profile", {CompileProfile(profile)}}, count, rounds);
  return 0;
}

}  // namespace
}  // namespace glovebox::bench

int main(int argc, char** argv) { return glovebox::bench::Main(argc, argv); }
