#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "tests/kernel/init/init_rig.h"

namespace glovebox {
namespace {

class SetupTest : public testing::Test {
 protected:
  SetupReport Report(const InitRig::Options& options) {
    SpawnReply reply;
    std::unique_ptr<TestSandbox> sandbox = rig_.Create(options, &reply);
    if (sandbox == nullptr) {
      ADD_FAILURE() << reply.detail;
      return {};
    }
    return sandbox->AwaitReport();
  }
  std::string Shell(TestSandbox* sandbox, const std::string& script) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", script};
    std::string output, error;
    ExecEnd end = sandbox->Run(spec, &output, &error);
    EXPECT_EQ(end.cause, EndCause::kExited)
        << script << ": step " << static_cast<int>(end.failed_step) << " " << end.error;
    return output + error;
  }
  InitRig rig_;
};

TEST_F(SetupTest, EveryNamespaceIsTheSandboxesOwn) {
  auto sandbox = rig_.Ready();
  for (const char* name : {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"}) {
    std::string path = std::string("/ns/") + name;
    std::string own = std::filesystem::read_symlink("/proc/self" + path);
    std::string inside =
        std::filesystem::read_symlink("/proc/" + std::to_string(sandbox->host_pid) + path);
    EXPECT_NE(own, inside);
    EXPECT_EQ(Shell(sandbox.get(), "readlink /proc/self" + path), inside + "\n");
  }
}

TEST_F(SetupTest, CommandHasNoCapabilityNoNewPrivsAndNoGroups) {
  auto sandbox = rig_.Ready();
  Spec spec;
  spec.argv = {"cat", "/proc/self/status"};
  std::string status;
  EXPECT_EQ(sandbox->Run(spec, &status).exit_code, 0);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_NE(status.find(std::string(set) + ":\t0000000000000000"), std::string::npos) << status;
  }
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(status.find("SigBlk:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.find("SigIgn:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("Uid:\t1000\t1000\t1000\t1000"), std::string::npos);
}

TEST_F(SetupTest, InitKeepsFourCapabilitiesAndCannotBeRead) {
  auto sandbox = rig_.Ready();
  std::string status = ReadWholeFile("/proc/" + std::to_string(sandbox->host_pid) + "/status");
  EXPECT_NE(status.find("CapEff:\t00000000000001e0"), std::string::npos) << status;
  EXPECT_NE(status.find("CapBnd:\t00000000000001e0"), std::string::npos) << status;
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_EQ(Shell(sandbox.get(), "cat /proc/1/environ && echo readable").find("readable"),
            std::string::npos);
}

TEST_F(SetupTest, CommandHasThreeDescriptorsAndUmask022) {
  auto sandbox = rig_.Ready();
  EXPECT_EQ(Shell(sandbox.get(),
                  "for n in 0 1 2 3 4 5 6 7 8 9 10 11 12; do "
                  "[ -e /proc/$$/fd/$n ] && echo $n; done; umask"),
            "0\n1\n2\n0022\n");
}

TEST_F(SetupTest, MountinfoShowsNoHostPathAndDevIsReadOnly) {
  auto sandbox = rig_.Ready();
  std::string mounts = Shell(sandbox.get(), "cat /proc/self/mountinfo");
  EXPECT_EQ(mounts.find("glovebox"), std::string::npos) << mounts;
  EXPECT_NE(mounts.find("lowerdir=l0/root,upperdir=u/upper,workdir=u/work"), std::string::npos)
      << mounts;
  EXPECT_NE(Shell(sandbox.get(), "touch /dev/x && echo made").find("Read-only"), std::string::npos);
  EXPECT_EQ(Shell(sandbox.get(), "echo x > /dev/null && hostname"), "sandbox\n");
  EXPECT_EQ(Shell(sandbox.get(), "echo hello > /tmp/f; cat /tmp/f; ls /proc/fs | wc -l"),
            "hello\n0\n");
  EXPECT_NE(Shell(sandbox.get(), "echo 1 > /proc/sys/user/max_user_namespaces").find("Read-only"),
            std::string::npos);
  EXPECT_EQ(Shell(sandbox.get(), "cat /proc/sys/user/max_user_namespaces; wc -c < /proc/keys"),
            "0\n0\n");
}

// Reaches a server in the sandbox at an address that is nobody's, by both families.
constexpr char kAskElsewhere[] =
    "nc -ll -p 80 -e /bin/echo here & "
    "until nc 127.0.0.1 80 </dev/null >/dev/null 2>&1; do :; done; "
    "nc 203.0.113.5 80 </dev/null 2>&1; nc 2001:db8::5 80 </dev/null 2>&1; kill $!";

TEST_F(SetupTest, WithAWayOutEveryAddressIsLocalAndNamesAreAskedThere) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* builder) { builder->plan.way_out = 1; };
  options.disk = [](const std::string& directory) {
    std::filesystem::create_directories(directory + "/disk/upper/etc");
    // Where it leads is the image's, and must be nobody's business.
    std::filesystem::create_symlink("/tmp/elsewhere", directory + "/disk/upper/etc/resolv.conf");
  };
  auto sandbox = rig_.Ready(options);
  EXPECT_EQ(Shell(sandbox.get(), kAskElsewhere), "here\nhere\n");
  EXPECT_NE(Shell(sandbox.get(), "ip addr show lo").find("inet 192.0.0.8/32 scope global"),
            std::string::npos);
  EXPECT_EQ(Shell(sandbox.get(), "cat /etc/resolv.conf; ls /tmp"), "nameserver 127.0.0.1\n");
  EXPECT_NE(Shell(sandbox.get(), "echo x > /etc/resolv.conf").find("Read-only"), std::string::npos);
}

TEST_F(SetupTest, WithoutAWayOutNoAddressIsReached) {
  auto sandbox = rig_.Ready();
  const std::string output = Shell(sandbox.get(), kAskElsewhere);
  EXPECT_EQ(output.find("here"), std::string::npos) << output;
  EXPECT_NE(output.find("unreachable"), std::string::npos) << output;
}

TEST_F(SetupTest, ResolverThatIsADirectoryIsRefused) {
  InitRig::Options options;
  options.plan = [](PlanBuilder* builder) { builder->plan.way_out = 1; };
  options.disk = [](const std::string& directory) {
    std::filesystem::create_directories(directory + "/disk/upper/etc/resolv.conf");
  };
  SetupReport report = Report(options);
  EXPECT_STREQ(SetupStepName(report.step), "mount_resolver");
  EXPECT_EQ(report.error, EINVAL);  // as move_mount(2) says it of a file over a directory
}

TEST_F(SetupTest, UserNamespacesAreRefusedWithoutAnyFilter) {
  auto sandbox = rig_.Ready();
  EXPECT_NE(Shell(sandbox.get(), "unshare -U true || echo refused").find("refused"),
            std::string::npos);
}

TEST_F(SetupTest, WritesLandInTheUpperWithCanonicalIds) {
  auto sandbox = rig_.Ready();
  Shell(sandbox.get(), "echo new > /home/agent/file");
  struct stat file;
  ASSERT_EQ(stat((sandbox->directory + "/disk/upper/home/agent/file").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 1000u);
}

TEST_F(SetupTest, MissingUpperIsReportedByTheOverlayStep) {
  InitRig::Options options;
  options.disk = [](const std::string& directory) {
    std::filesystem::remove(directory + "/disk/upper");
  };
  SetupReport report = Report(options);
  EXPECT_STREQ(SetupStepName(report.step), "mount_overlay");
  EXPECT_EQ(report.error, ENOENT);
}

TEST_F(SetupTest, LayerSubdirectoryThatEndsTheOptionIsRefused) {
  for (const char* name : {"a:b", "a,b", "../x", "a\\b", "/root", ".."}) {
    InitRig::Options options;
    options.plan = [name](PlanBuilder* plan) {
      plan->plan.layers[0].subdirectory = plan->Text(name);
    };
    SetupReport report = Report(options);
    EXPECT_STREQ(SetupStepName(report.step), "read_plan") << name;
    EXPECT_EQ(report.error, EINVAL);
    EXPECT_STREQ(report.detail, "layer subdirectory");
  }
}

TEST_F(SetupTest, PlanThatDoesNotFitIsRefused) {
  std::vector<std::pair<const char*, std::function<void(PlanBuilder*)>>> cases = {
      {"magic", [](PlanBuilder* b) { b->plan.magic = 1; }},
      {"version", [](PlanBuilder* b) { b->plan.version = 99; }},
      {"exec_max", [](PlanBuilder* b) { b->plan.exec_max = 257; }},
      {"hostname", [](PlanBuilder* b) { b->plan.hostname.offset = 0xfffffff0; }},
      {"filter", [](PlanBuilder* b) { b->plan.filter_count = 1; }},
      {"limits of /tmp", [](PlanBuilder* b) { b->plan.tmp_bytes = 0; }},
      {"uid 0 or capabilities without root_inside", [](PlanBuilder* b) { b->plan.uid = 0; }},
      {"mask path", [](PlanBuilder* b) { b->plan.masks[0].path = b->Text("relative"); }},
  };
  for (auto& [detail, change] : cases) {
    InitRig::Options options;
    options.plan = change;
    SetupReport report = Report(options);
    EXPECT_STREQ(SetupStepName(report.step), "read_plan") << detail;
    EXPECT_STREQ(report.detail, detail);
  }
}

TEST_F(SetupTest, LinkWhereTheImageShouldHaveADirectoryIsRefused) {
  InitRig::Options options;
  options.disk = [](const std::string& directory) {
    std::filesystem::create_symlink("/etc", directory + "/disk/upper/proc");
  };
  SetupReport report = Report(options);
  EXPECT_STREQ(SetupStepName(report.step), "mount_proc");
  EXPECT_EQ(report.error, ENOTDIR);
}

// What an image can have where a mount goes: each ends the set-up at the step of that mount, or is
// covered by it. Nothing of it is written to.
TEST_F(SetupTest, HostileImagesAreRefusedAtTheirStepOrHarmless) {
  using Put = std::function<void(const std::string&)>;
  const std::string outside = rig_.base() + "/outside";
  std::filesystem::create_directories(outside);
  const std::map<std::string, Put> kinds = {
      {"absolute link", [](const std::string& at) { std::filesystem::create_symlink("/etc", at); }},
      {"link to the host",
       [&](const std::string& at) { std::filesystem::create_symlink(outside, at); }},
      {"upward link",
       [&](const std::string& at) {
         std::filesystem::create_symlink("../../../../../../../.." + outside, at);
       }},
      {"loop",
       [](const std::string& at) {
         std::filesystem::create_symlink(at.substr(at.rfind('/') + 1), at);
       }},
      {"link to proc",
       [](const std::string& at) { std::filesystem::create_symlink("/proc/self/fd/6", at); }},
      {"file", [](const std::string& at) { std::ofstream(at) << "x"; }},
      {"fifo", [](const std::string& at) { ASSERT_EQ(mkfifo(at.c_str(), 0666), 0); }},
      {"device",
       [](const std::string& at) {
         ASSERT_EQ(mknod(at.c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
       }},
      {"whiteout",
       [](const std::string& at) {
         ASSERT_EQ(mknod(at.c_str(), S_IFCHR | 0666, makedev(0, 0)), 0);
       }},
  };
  for (const auto& [place, step] : std::map<std::string, std::string>{
           {"proc", "mount_proc"}, {"dev", "mount_dev"}, {"tmp", "mount_tmp"}}) {
    for (const auto& [kind, put] : kinds) {
      InitRig::Options options;
      options.disk = [&](const std::string& directory) { put(directory + "/disk/upper/" + place); };
      const SetupReport report = Report(options);
      // A whiteout says that there is nothing, and so the directory is made.
      EXPECT_STREQ(SetupStepName(report.step), kind == "whiteout" ? "ready" : step.c_str())
          << kind << " at " << place << ": " << report.detail;
    }
  }
  for (const char* place :
       {"dev/pts", "dev/null", "dev/shm", "proc/sys", "sys", "etc", "proc/self"}) {
    for (const auto& [kind, put] : kinds) {
      InitRig::Options options;
      options.disk = [&](const std::string& directory) {
        const std::string at = directory + "/disk/upper/" + place;
        std::filesystem::create_directories(std::filesystem::path(at).parent_path());
        put(at);
      };
      EXPECT_STREQ(SetupStepName(Report(options).step), "ready") << kind << " at " << place;
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

// A bind's mount point is looked for inside the new root, whatever links lead there.
TEST_F(SetupTest, LinksOnTheWayToABindStayInsideTheNewRoot) {
  const std::string outside = rig_.base() + "/outside";
  std::filesystem::create_directories(outside);
  std::filesystem::create_directories(rig_.base() + "/bound");
  for (const std::string& to : {outside, "../../../../../../../.." + outside, std::string("..")}) {
    InitRig::Options options;
    options.disk = [&](const std::string& directory) {
      std::filesystem::create_symlink(to, directory + "/disk/upper/mnt");
    };
    options.binds = {rig_.base() + "/bound"};
    options.plan = [](PlanBuilder* plan) { plan->AddBind("/mnt/new", true); };
    options.request = [](SpawnRequest* request) {
      request->binds[0] = {IdMapKind::kNone, 1, 0, 0, 0, 0};
    };
    (void)Report(options);  // refused, or mounted inside: that it made nothing outside is the point
    EXPECT_TRUE(std::filesystem::is_empty(outside)) << to;
  }
}

TEST_F(SetupTest, RequestThatDoesNotFitIsRefusedAndTheSpawnerGoesOn) {
  SpawnReply reply;
  InitRig::Options options;
  options.drop_last_fd = true;
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(SetupStepName(reply.step), "receive_request");
  options = {};
  options.request = [](SpawnRequest* request) { request->host_id_first = 0; };
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(reply.detail, "host id 0 is never mapped");
  options.request = [](SpawnRequest* request) { request->magic = 7; };
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(SetupStepName(reply.step), "receive_request");
  EXPECT_NE(rig_.Ready(), nullptr);
}

TEST_F(SetupTest, BindsShowTheirOwnerOrNobodyAndAreReadOnly) {
  std::filesystem::create_directories(rig_.base() + "/repository");
  std::filesystem::create_directories(rig_.base() + "/host");
  std::ofstream(rig_.base() + "/repository/mine") << "mine\n";
  std::ofstream(rig_.base() + "/repository/foreign") << "foreign\n";
  std::ofstream(rig_.base() + "/single") << "single\n";
  ASSERT_EQ(chown((rig_.base() + "/repository/mine").c_str(), 777, 778), 0);
  ASSERT_EQ(chown((rig_.base() + "/single").c_str(), 5, 5), 0);
  InitRig::Options options;
  options.binds = {rig_.base() + "/repository", rig_.base() + "/host", rig_.base() + "/single"};
  options.plan = [](PlanBuilder* plan) {
    plan->AddBind("/mnt/deep/repository", true);
    plan->AddBind("/host", true);
    plan->AddBind("/etc/single", false);
  };
  options.request = [](SpawnRequest* request) {
    request->binds[0] = {IdMapKind::kOwner, 1, 777, 778, 1000, 1001};
    request->binds[1] = {IdMapKind::kNone, 1, 0, 0, 0, 0};
    request->binds[2] = {IdMapKind::kSandbox, 1, 0, 0, 0, 0};
  };
  auto sandbox = rig_.Ready(options);
  EXPECT_EQ(Shell(sandbox.get(), "cd /mnt/deep/repository; busybox stat -c %u:%g mine foreign"),
            "1000:1001\n65534:65534\n");
  EXPECT_EQ(Shell(sandbox.get(), "busybox stat -c %u /host /etc/single; cat /etc/single"),
            "65534\n5\nsingle\n");
  for (const char* path : {"/mnt/deep/repository/mine", "/host/new", "/etc/single"}) {
    EXPECT_NE(Shell(sandbox.get(), std::string("touch ") + path).find("Read-only"),
              std::string::npos)
        << path;
  }
  options.request = [](SpawnRequest* request) {
    request->binds[0] = {IdMapKind::kOwner, 1, 777, 778, 70000, 1001};
  };
  SpawnReply reply;
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(reply.detail, "inner id of a bind is outside the range");
}

TEST_F(SetupTest, InitAndItsCommandsAreInTheVersionOneCgroup) {
  std::string name = std::filesystem::path(rig_.base()).filename();
  std::string path = "/sys/fs/cgroup/pids/" + name;
  std::filesystem::create_directory(path);
  InitRig::Options options;
  options.tasks = {path + "/tasks"};
  auto sandbox = rig_.Ready(options);
  EXPECT_NE(ReadWholeFile("/proc/" + std::to_string(sandbox->host_pid) + "/cgroup")
                .find(":pids:/" + name + "\n"),
            std::string::npos);
  // Seen through its cgroup namespace, which is made after joining, it is the root.
  EXPECT_NE(Shell(sandbox.get(), "cat /proc/self/cgroup").find(":pids:/\n"), std::string::npos);
  sandbox->Kill();
  EXPECT_TRUE(std::filesystem::remove(path)) << "the cgroup is empty";
}

TEST_F(SetupTest, TasksFileThatCannotBeJoinedIsReported) {
  // /dev/full refuses every write, as a cgroup without room would.
  InitRig::Options options;
  options.tasks = {"/dev/full"};
  SpawnReply reply;
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(SetupStepName(reply.step), "join_cgroups");
  EXPECT_EQ(reply.error, ENOSPC);
  EXPECT_NE(rig_.Ready(), nullptr);
}

TEST_F(SetupTest, MountThatCannotBeMappedIsReported) {
  // proc has no id-mapped mounts: the kernel refuses in the middle of the spawner's work.
  InitRig::Options options;
  options.binds = {"/proc"};
  options.plan = [](PlanBuilder* plan) { plan->AddBind("/host", true); };
  SpawnReply reply;
  EXPECT_EQ(rig_.Create(options, &reply), nullptr);
  EXPECT_STREQ(SetupStepName(reply.step), "id_map_mounts");
  EXPECT_EQ(reply.error, EINVAL);
  EXPECT_STREQ(reply.detail, "bind 0");
  EXPECT_NE(rig_.Ready(), nullptr);
}

TEST_F(SetupTest, InitThatIsNotAProgramIsReportedByExecInit) {
  InitRig broken("not a program");
  SpawnReply reply;
  EXPECT_EQ(broken.Create({}, &reply), nullptr);
  EXPECT_STREQ(SetupStepName(reply.step), "exec_init");
  EXPECT_EQ(reply.error, ENOEXEC);
}

TEST_F(SetupTest, RootInsideGivesUidZeroItsCapabilitiesAndOthersNone) {
  constexpr uint64_t kPayload = 0x4fb;  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID ...
  InitRig::Options options;
  options.plan = [](PlanBuilder* plan) {
    plan->plan.root_inside = 1;
    plan->plan.payload_capabilities = kPayload;
  };
  auto sandbox = rig_.Ready(options);
  Spec spec;
  spec.argv = {"cat", "/proc/self/status"};
  spec.user = "root";
  std::string status;
  EXPECT_EQ(sandbox->Run(spec, &status).exit_code, 0);
  EXPECT_NE(status.find("CapEff:\t00000000000004fb"), std::string::npos) << status;
  EXPECT_NE(status.find("CapBnd:\t00000000000004fb"), std::string::npos) << status;
  spec.user = "agent";
  EXPECT_EQ(sandbox->Run(spec, &status).exit_code, 0);
  EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("CapBnd:\t0000000000000000"), std::string::npos) << status;
}

}  // namespace
}  // namespace glovebox
