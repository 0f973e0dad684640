// Landlock as the only layer left: the user is root inside, the masks are not made, the filters are
// not installed; what the policy refuses is refused all the same, and only because of it.
#include "policy/landlock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "linux/kernel_probes.h"
#include "tests/kernel/init/init_rig.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint64_t kRootCapabilities = 0x4fb;  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID ...

void AddPolicy(const LandlockPolicy& policy, PlanBuilder* builder) {
  PlanLandlock& landlock = builder->plan.landlock;
  landlock.handled = policy.handled;
  landlock.scoped = policy.scoped;
  for (const LandlockRule& rule : policy.rules) {
    landlock.rules[landlock.rule_count++] = {builder->Text(rule.path), rule.is_directory ? 1u : 0u,
                                             rule.required ? 1u : 0u, rule.access};
  }
}

class LandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_UNLESS(LandlockAbi() >= kLandlockAbiMin, "a kernel with Landlock ABI 2");
  }
  // The output of a script run by uid 0 of a sandbox that has nothing but this policy.
  std::string AsRoot(bool with_landlock, const std::string& script) {
    InitRig::Options options;
    options.plan = [with_landlock](PlanBuilder* builder) {
      builder->plan.root_inside = 1;
      builder->plan.payload_capabilities = kRootCapabilities;
      builder->plan.mask_count = 0;
      LandlockRequest request;
      request.abi = with_landlock ? LandlockAbi() : 0;
      AddPolicy(MakeLandlockPolicy(request), builder);
    };
    auto sandbox = rig_.Ready(options);
    Spec spec;
    spec.argv = {"/bin/sh", "-c", script};
    spec.user = "root";
    std::string output, error;
    sandbox->Run(spec, &output, &error);
    return output;
  }
  InitRig rig_;
};

TEST_F(LandlockTest, AloneRefusesWhatModesAndMountsWouldAllow) {
  for (const char* change :
       {"echo 900 >/proc/self/oom_score_adj", "echo x >/etc/new", "mkdir /new",
        "echo x >/proc/self/comm", "ln -s / /link", "mkfifo /fifo", "mv /etc /etc2"}) {
    const std::string script = std::string(change) + " && echo done";
    EXPECT_EQ(AsRoot(false, script), "done\n") << "control: " << change;
    EXPECT_EQ(AsRoot(true, script), "") << change;
  }
}

TEST_F(LandlockTest, AloneLeavesTheWritablePlacesAndTheNodes) {
  for (const char* use :
       {"echo x >/tmp/f && mv /tmp/f /tmp/g && rm /tmp/g", "echo x >/home/agent/f",
        "mkdir /dev/shm/d && rmdir /dev/shm/d", "echo x >/dev/null", "cat /bin/busybox >/dev/null",
        "cat /proc/self/status >/dev/null"}) {
    EXPECT_EQ(AsRoot(true, std::string(use) + " && echo done"), "done\n") << use;
  }
}

TEST_F(LandlockTest, AnImageThatLinksAWritablePlaceToAnotherGainsNothing) {
  InitRig::Options options;
  options.disk = [](const std::string& directory) {
    ASSERT_EQ(::symlink("/proc", (directory + "/disk/upper/run").c_str()), 0);
  };
  options.plan = [](PlanBuilder* builder) {
    LandlockRequest request;
    request.abi = LandlockAbi();
    AddPolicy(MakeLandlockPolicy(request), builder);
  };
  auto sandbox = rig_.Ready(options);
  Spec spec;
  spec.argv = {"/bin/sh", "-c", "ls -d /run/self >/dev/null && ! echo x >/run/self/comm"};
  EXPECT_EQ(sandbox->Run(spec).exit_code, 0);
}

TEST_F(LandlockTest, APlanWhoseRulesDoNotFitIsRefused) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* builder) {
    builder->plan.landlock.rule_count = kPathRulesMax + 1;
  };
  SpawnReply reply;
  auto sandbox = rig_.Create(options, &reply);
  ASSERT_NE(sandbox, nullptr) << reply.detail;
  EXPECT_STREQ(SetupStepName(sandbox->AwaitReport().step), "read_plan");
}

TEST_F(LandlockTest, ARequiredPathThatIsNotThereEndsTheSetUp) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* builder) {
    LandlockPolicy policy;
    policy.handled = kLandlockWriteFile;
    policy.rules.push_back({"/no/such/place", kLandlockWriteFile, true, true, ""});
    AddPolicy(policy, builder);
  };
  SpawnReply reply;
  auto sandbox = rig_.Create(options, &reply);
  ASSERT_NE(sandbox, nullptr) << reply.detail;
  const SetupReport report = sandbox->AwaitReport();
  EXPECT_STREQ(SetupStepName(report.step), "landlock");
  EXPECT_EQ(report.error, ENOENT);
  EXPECT_STREQ(report.detail, "/no/such/place");
}

// In a child of the test's own namespaces, where nothing else keeps it from its parent.
int TryParent(uint64_t scoped, const sockaddr_un& address, socklen_t size) {
  struct {
    uint64_t fs, net, scoped;
  } attr{0, 0, scoped};
  if (scoped != 0) {
    const long ruleset = ::syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
      return 99;
    }
  }
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool reached = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
  const UniqueFd parent(static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0)));
  const bool signalled = ::syscall(SYS_pidfd_send_signal, parent.get(), 0, nullptr, 0) == 0;
  return (reached ? 1 : 0) + (signalled ? 2 : 0);
}

TEST_F(LandlockTest, ScopesAloneKeepSignalsAndAbstractSocketsInside) {
  SKIP_BEFORE_LINUX(6, 12, LandlockAbi() >= kLandlockAbiFull, "Landlock ABI 6");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "glovebox-landlock-" + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  LandlockRequest request;
  request.abi = LandlockAbi();
  const uint64_t scoped = MakeLandlockPolicy(request).scoped;
  for (const auto& [scopes, expected] : {std::pair<uint64_t, int>{0, 3}, {scoped, 0}}) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(TryParent(scopes, address, size));
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(WEXITSTATUS(status), expected) << "scopes " << scopes;
  }
}

}  // namespace
}  // namespace glovebox
