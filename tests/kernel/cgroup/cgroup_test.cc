// The cgroup driver on this host's real hierarchies.
#include "linux/cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"
#include "tests/kernel/cgroup/member_process.h"

namespace glovebox {
namespace {

constexpr uid_t kRootUid = 1700000000;  // nobody's; stands for a leased range's first id
constexpr uint64_t kMiB = 1024 * 1024;
constexpr CgroupLimits kLimits{64 * kMiB, 16, 500};

int SleepForEver() {
  for (;;) pause();
}

class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<CgroupHost> host = DetectCgroupHost();
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *host;
    options_.instance = absl::StrCat("test-", getpid());
    absl::StatusOr<std::unique_ptr<CgroupDriver>> driver = CgroupDriver::Open(host_, options_);
    ASSERT_TRUE(driver.ok()) << driver.status();
    driver_ = *std::move(driver);
  }

  void TearDown() override {
    ASSERT_NE(driver_, nullptr);
    EXPECT_EQ(driver_->RemoveInstance(), absl::OkStatus());
    EXPECT_NE(access(V2Path("").c_str(), F_OK), 0);
  }

  std::unique_ptr<SandboxCgroup> Create(const std::string& id) {
    absl::StatusOr<std::unique_ptr<SandboxCgroup>> cgroup =
        driver_->CreateSandbox(id, kLimits, kRootUid);
    EXPECT_TRUE(cgroup.ok()) << cgroup.status();
    return cgroup.ok() ? *std::move(cgroup) : nullptr;
  }

  static CgroupEntry Entry(const SandboxCgroup& cgroup) {
    absl::StatusOr<CgroupEntry> entry = cgroup.OpenEntry();
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? *std::move(entry) : CgroupEntry{};
  }

  static MemberProcess StartIn(const CgroupEntry& entry, const std::function<int()>& body,
                               uid_t uid = 0) {
    return MemberProcess::Start(entry.directory.get(), entry.tasks, uid, body);
  }

  std::string V2Path(const std::string& below) const {
    return absl::StrCat(host_.v2_mount, "/glovebox-", options_.instance, below);
  }

  CgroupHost host_;
  CgroupOptions options_;
  std::unique_ptr<CgroupDriver> driver_;
};

TEST_F(CgroupTest, TheKernelShowsTheLimitsThatWereAskedFor) {
  auto cgroup = Create("limits");
  ASSERT_NE(cgroup, nullptr);
  const bool v2 = driver_->version() == CgroupVersion::kV2;
  const std::string below = absl::StrCat("/glovebox-", options_.instance, "/limits/");
  const auto read = [&](const std::string& controller, const std::string& v1_file,
                        const std::string& v2_file) {
    const std::string path = v2 ? absl::StrCat(host_.v2_mount, below, v2_file)
                                : absl::StrCat(host_.v1_mounts[controller], below, v1_file);
    return ReadFileAt(AT_FDCWD, path, 4096).value_or("unreadable");
  };
  EXPECT_EQ(read("memory", "memory.limit_in_bytes", "memory.max"), "67108864\n");
  EXPECT_EQ(read("pids", "pids.max", "pids.max"), "16\n");
  EXPECT_EQ(read("cpu", "cpu.cfs_quota_us", "cpu.max"), v2 ? "50000 100000\n" : "50000\n");
}

TEST_F(CgroupTest, AForkBombStopsAtThePidsLimitAndIsCounted) {
  auto cgroup = Create("forks");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  MemberProcess bomb = StartIn(entry, [] {
    int made = 0;
    for (; made < 100; ++made) {
      const pid_t pid = fork();
      if (pid < 0) break;
      if (pid == 0) SleepForEver();
    }
    return made;
  });
  ASSERT_TRUE(bomb.started()) << strerror(bomb.start_error());
  EXPECT_EQ(bomb.Wait().code, 15);  // and itself
  const absl::StatusOr<CgroupEvents> events = cgroup->Events();
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_GE(events->pids_max_hits, 1u);
  EXPECT_EQ(events->pids_current, 15u);
  EXPECT_EQ(cgroup->Kill(), absl::OkStatus());
  EXPECT_EQ(cgroup->Remove(), absl::OkStatus());
}

TEST_F(CgroupTest, AMemoryHogIsKilledAndTheEventsSaySo) {
  auto cgroup = Create("memory");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  MemberProcess hog = StartIn(entry, [] {
    char* memory = static_cast<char*>(
        mmap(nullptr, 256 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED) return 1;
    for (uint64_t at = 0; at < 256 * kMiB; at += 4096) const_cast<volatile char*>(memory)[at] = 1;
    return 0;
  });
  ASSERT_TRUE(hog.started());
  EXPECT_EQ(hog.Wait().signal, SIGKILL);
  const absl::StatusOr<CgroupEvents> events = cgroup->Events();
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(events->oom_kills, 1u);
  EXPECT_GT(events->memory_peak_bytes, 60 * kMiB);
  EXPECT_LE(events->memory_peak_bytes, 64 * kMiB);
  EXPECT_GT(events->cpu_usage_us, 0u);
}

TEST_F(CgroupTest, MemoryInAMemfdCountsToo) {
  auto cgroup = Create("memfd");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  MemberProcess hog = StartIn(entry, [] {
    const int fd = static_cast<int>(syscall(SYS_memfd_create, "hog", MFD_CLOEXEC));
    static char block[1024 * 1024];
    memset(block, 1, sizeof block);
    for (int i = 0; i < 256; ++i) {
      if (write(fd, block, sizeof block) < 0) return 1;
    }
    return 0;
  });
  ASSERT_TRUE(hog.started());
  EXPECT_EQ(hog.Wait().signal, SIGKILL);
}

TEST_F(CgroupTest, TheSandboxesRootMayStartCommandsInLeavesAndInNothingElse) {
  auto cgroup = Create("births");
  auto other = Create("others");
  ASSERT_TRUE(cgroup != nullptr && other != nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  const absl::StatusOr<ExecLeaf> leaf = cgroup->CreateExecLeaf(1);
  const absl::StatusOr<ExecLeaf> foreign = other->CreateExecLeaf(1);
  ASSERT_TRUE(leaf.ok() && foreign.ok());
  MemberProcess init = StartIn(
      entry,
      [&] {
        MemberProcess denied =
            MemberProcess::Start(foreign->directory.get(), {}, 0, [] { return 0; });
        if (denied.started()) return 10;
        MemberProcess command =
            MemberProcess::Start(leaf->directory.get(), {}, 0, [] { return 7; });
        return command.started() ? command.Wait().code : 11;
      },
      kRootUid);
  ASSERT_TRUE(init.started());
  EXPECT_EQ(init.Wait().code, 7);
  EXPECT_EQ(cgroup->RemoveExecLeaf(1), absl::OkStatus());
  EXPECT_EQ(cgroup->RemoveExecLeaf(1), absl::OkStatus()) << "removal is idempotent";
}

TEST_F(CgroupTest, InitsCgroupNamespaceStillReachesTheLeaves) {
  auto cgroup = Create("namespace");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  const absl::StatusOr<ExecLeaf> leaf = cgroup->CreateExecLeaf(3);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  MemberProcess init = StartIn(entry, [&] {
    if (unshare(CLONE_NEWCGROUP) != 0) return 10;
    MemberProcess command = MemberProcess::Start(leaf->directory.get(), {}, 0, [] {
      char text[4096] = {};
      const int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
      if (read(fd, text, sizeof text - 1) <= 0) return 12;
      return strstr(text, "0::/exec-3\n") != nullptr ? 7 : 13;
    });
    return command.started() ? command.Wait().code : 11;
  });
  ASSERT_TRUE(init.started());
  EXPECT_EQ(init.Wait().code, 7);
}

// A leader that ends at once, and a descendant that left its session and process group.
int LeaveADaemonBehind(int report_fd) {
  if (fork() != 0) return 0;
  setsid();
  if (fork() != 0) _exit(0);
  (void)!write(report_fd, "x", 1);
  return SleepForEver();
}

TEST_F(CgroupTest, KillingALeafEndsDescendantsThatLeftTheirProcessGroup) {
  auto cgroup = Create("trees");
  ASSERT_NE(cgroup, nullptr);
  const absl::StatusOr<ExecLeaf> leaf = cgroup->CreateExecLeaf(1);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd reader(fds[0]), writer(fds[1]);
  MemberProcess leader = MemberProcess::Start(leaf->directory.get(), {}, 0,
                                              [&] { return LeaveADaemonBehind(writer.get()); });
  ASSERT_TRUE(leader.started());
  EXPECT_EQ(leader.Wait().code, 0);
  writer.Reset();
  char byte;
  ASSERT_EQ(read(reader.get(), &byte, 1), 1) << "the daemon did not come up";
  ASSERT_EQ(write(leaf->kill.get(), "1", 1), 1);
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "end of file: the last holder of the pipe is gone";
  EXPECT_EQ(cgroup->RemoveExecLeaf(1), absl::OkStatus());
}

TEST_F(CgroupTest, ALeafMadeAgainAfterAKillTakesNewProcesses) {
  auto cgroup = Create("again");
  ASSERT_NE(cgroup, nullptr);
  for (int round = 0; round < 3; ++round) {
    const absl::StatusOr<ExecLeaf> leaf = cgroup->CreateExecLeaf(1);
    ASSERT_TRUE(leaf.ok()) << leaf.status();
    EXPECT_TRUE(absl::IsAlreadyExists(cgroup->CreateExecLeaf(1).status()));
    MemberProcess command = MemberProcess::Start(leaf->directory.get(), {}, 0, [] { return 5; });
    ASSERT_TRUE(command.started());
    EXPECT_EQ(command.Wait().code, 5) << "round " << round;
    ASSERT_EQ(write(leaf->kill.get(), "1", 1), 1);
    ASSERT_EQ(cgroup->RemoveExecLeaf(1), absl::OkStatus());
  }
}

TEST_F(CgroupTest, KillEndsEveryLeafAndRemoveLeavesNothing) {
  auto cgroup = Create("whole");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  MemberProcess init = StartIn(entry, SleepForEver);
  const absl::StatusOr<ExecLeaf> leaf = cgroup->CreateExecLeaf(9);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  MemberProcess command = MemberProcess::Start(leaf->directory.get(), entry.tasks, 0, SleepForEver);
  ASSERT_TRUE(init.started() && command.started());
  EXPECT_EQ(cgroup->Kill(), absl::OkStatus());
  EXPECT_EQ(init.Wait().signal, SIGKILL);
  EXPECT_EQ(command.Wait().signal, SIGKILL);
  EXPECT_EQ(cgroup->Remove(), absl::OkStatus());
  EXPECT_EQ(cgroup->Remove(), absl::OkStatus()) << "removal is idempotent";
  EXPECT_EQ(cgroup->Kill(), absl::OkStatus());
  EXPECT_NE(access(V2Path("/whole").c_str(), F_OK), 0);
}

TEST_F(CgroupTest, ANextDriverOfTheInstanceEndsWhatADeadOneLeft) {
  auto cgroup = Create("orphan");
  ASSERT_NE(cgroup, nullptr);
  const CgroupEntry entry = Entry(*cgroup);
  MemberProcess init = StartIn(entry, SleepForEver);
  ASSERT_TRUE(init.started());
  ASSERT_TRUE(cgroup->CreateExecLeaf(1).ok());
  cgroup.reset();
  absl::StatusOr<std::unique_ptr<CgroupDriver>> next = CgroupDriver::Open(host_, options_);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(absl::IsAlreadyExists((*next)->CreateSandbox("orphan", kLimits, kRootUid).status()));
  EXPECT_EQ((*next)->RemoveLeftovers(), absl::OkStatus());
  EXPECT_EQ(init.Wait().signal, SIGKILL);
  EXPECT_TRUE((*next)->CreateSandbox("orphan", kLimits, kRootUid).ok());
}

TEST_F(CgroupTest, AMissingControllerIsNamedWithItsRemedy) {
  CgroupHost host = host_;
  const std::string outer = V2Path("/delegated");
  if (driver_->version() == CgroupVersion::kV2) {
    // As in a container whose cgroup was delegated without pids.
    ASSERT_EQ(MakeDirectoryAt(AT_FDCWD, outer, 0755), absl::OkStatus());
    ASSERT_EQ(WriteKernelFileAt(AT_FDCWD, outer + "/cgroup.subtree_control", "+memory +cpu"),
              absl::OkStatus());
    host.v2_mount = outer + "/inner";
    ASSERT_EQ(MakeDirectoryAt(AT_FDCWD, host.v2_mount, 0755), absl::OkStatus());
  } else {
    host.v1_mounts.erase("pids");
  }
  const absl::Status refused = CgroupDriver::Open(host, options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  const std::optional<ErrorDetail> detail = GetErrorDetail(refused);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "CGROUP_CONTROLLER_MISSING");
  EXPECT_EQ(detail->metadata.at("controller"), "pids");
  EXPECT_NE(detail->metadata.at("remedy"), "");
  if (driver_->version() == CgroupVersion::kV2) {
    (void)rmdir((host.v2_mount + "/glovebox-" + options_.instance).c_str());
    EXPECT_EQ(rmdir(host.v2_mount.c_str()), 0);
    EXPECT_EQ(rmdir(outer.c_str()), 0);
  }
}

TEST_F(CgroupTest, ALimitThatTheKernelDoesNotTakeLeavesNoDirectory) {
  const absl::Status refused =
      driver_->CreateSandbox("bad", CgroupLimits{64 * kMiB, 1ull << 62, 500}, kRootUid).status();
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(access(V2Path("/bad").c_str(), F_OK), 0);
}

TEST_F(CgroupTest, TheReportNamesWhatThisHostHas) {
  const absl::StatusOr<CgroupReport> report = ReportCgroups(host_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->version, driver_->version());
  EXPECT_EQ(report->present.size(), 3u);
  EXPECT_TRUE(report->missing.empty());
  EXPECT_TRUE(report->kill_supported);
}

}  // namespace
}  // namespace glovebox
