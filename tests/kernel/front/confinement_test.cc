// What glovebox-front gives up, and that each layer of it refuses alone.
#include "linux/confinement.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "front/call_filter.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {
namespace {

constexpr uid_t kNobody = 65534;
constexpr uint64_t kMemory = uint64_t{1} << 30;

enum class Layers { kWorld, kAll };

bool Confine(Layers layers) {
  return EnterEmptyWorld("glovebox-front", WorldNetwork::kNone).ok() &&
         GiveUpPrivilege(kNobody, 64, kMemory).ok() &&
         (layers == Layers::kWorld || LoadAllowFilter(FrontCalls()).ok());
}

// What somebody who took the front over would try. 0: it worked; else errno.
struct Attempt {
  const char* name;
  std::function<int()> act;
};

int Errno(long result) { return result < 0 ? errno : 0; }

int ConnectTcp(int port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Errno(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

struct Abstract {
  sockaddr_un address{};
  socklen_t size = 0;
};
Abstract AbstractName(pid_t owner) {
  Abstract name;
  name.address.sun_family = AF_UNIX;
  const std::string text = absl::StrCat("glovebox-front-test-", owner);
  std::memcpy(name.address.sun_path + 1, text.data(), text.size());  // after a 0: no file
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

int ConnectUnix(pid_t owner) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Abstract name = AbstractName(owner);
  return Errno(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name.address), name.size));
}

int Execute() {
  char path[] = "/bin/true";
  char* const words[] = {path, nullptr};
  return Errno(::execv(path, words));
}

int Fork() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child < 0) return errno;
  ::waitpid(child, nullptr, 0);
  return 0;
}

class FrontConfinementTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = ListenTcp("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    tcp_ = std::move(listener->socket);
    port_ = listener->port;
    unix_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Abstract name = AbstractName(::getpid());
    ASSERT_EQ(::bind(unix_.get(), reinterpret_cast<const sockaddr*>(&name.address), name.size), 0);
    ASSERT_EQ(::listen(unix_.get(), 16), 0);
  }

  std::vector<Attempt> Attempts() const {
    const pid_t parent = ::getpid();
    const int port = port_;
    return {
        {"open a file", [] { return Errno(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)); }},
        {"open /dev/null", [] { return Errno(::open("/dev/null", O_RDWR | O_CLOEXEC)); }},
        {"make a file", [] { return Errno(::open("/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }},
        // From however deep the test runs: ".." of the root is the root.
        {"leave by ..",
         [] {
           return Errno(::open("../../../../../../../../../../../../etc", O_PATH | O_CLOEXEC));
         }},
        {"execute", Execute},
        {"fork", Fork},
        {"trace", [=] { return Errno(::ptrace(PTRACE_ATTACH, parent, nullptr, nullptr)); }},
        {"signal", [=] { return Errno(::kill(parent, SIGURG)); }},
        {"connect to TCP", [=] { return ConnectTcp(port); }},
        {"connect to a unix socket", [=] { return ConnectUnix(parent); }},
        {"become root", [] { return Errno(::setresuid(0, 0, 0)); }},
        {"mount", [] { return Errno(::mount("none", "/", "tmpfs", 0, nullptr)); }},
        {"change the root", [] { return Errno(::chroot("/")); }},
    };
  }

  // The wait status of a process that made `attempt`, its errno being its exit status.
  static int StatusOf(const Attempt& attempt, Layers layers) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!Confine(layers)) ::_exit(255);
      ::_exit(attempt.act());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  UniqueFd tcp_, unix_;
  int port_ = 0;
};

TEST_F(FrontConfinementTest, WithoutTheFilterItsWorldRefusesEachAttemptAlone) {
  for (const Attempt& attempt : Attempts()) {
    const int status = StatusOf(attempt, Layers::kWorld);
    ASSERT_TRUE(WIFEXITED(status)) << attempt.name;
    EXPECT_NE(WEXITSTATUS(status), 255) << "not confined";
    EXPECT_NE(WEXITSTATUS(status), 0) << attempt.name;
  }
}

TEST_F(FrontConfinementTest, WithTheFilterEachAttemptIsTheEnd) {
  for (const Attempt& attempt : Attempts()) {
    const int status = StatusOf(attempt, Layers::kAll);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        << attempt.name << ": " << status;
  }
}

// The control: who is not confined can do all of it.
TEST_F(FrontConfinementTest, WhoIsNotConfinedIsNotRefused) {
  for (const Attempt& attempt : Attempts()) {
    const absl::string_view name = attempt.name;
    if (name != "open a file" && name != "connect to TCP" && name != "connect to a unix socket" &&
        name != "fork" && name != "leave by ..") {
      continue;  // would change this host
    }
    EXPECT_EQ(attempt.act(), 0) << name;
  }
}

// A confined process that waits, until its end of the pipe is closed.
class Confined {
 public:
  explicit Confined(const std::function<bool()>& confine) {
    int up[2];
    int down[2];
    EXPECT_EQ(::pipe2(up, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(down, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(up[0]);
      ::close(down[1]);
      const char said = confine() ? 'y' : 'n';
      (void)!::write(up[1], &said, 1);
      char byte = 0;
      (void)!::read(down[0], &byte, 1);
      ::_exit(0);
    }
    ::close(up[1]);
    ::close(down[0]);
    end_ = UniqueFd(down[1]);
    const UniqueFd ready(up[0]);
    char said = 'n';
    EXPECT_EQ(::read(ready.get(), &said, 1), 1);
    EXPECT_EQ(said, 'y');
  }
  ~Confined() {
    end_.Reset();
    ::waitpid(pid_, nullptr, 0);
  }
  std::string Proc(const char* name) const { return absl::StrCat("/proc/", pid_, "/", name); }

 private:
  pid_t pid_ = -1;
  UniqueFd end_;
};

std::string Link(const std::string& path) {
  char target[256] = {};
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? absl::StrCat("errno ", errno) : std::string(target, static_cast<size_t>(size));
}

TEST_F(FrontConfinementTest, ItsStatusShowsNoPrivilegeAtAll) {
  const Confined front([] { return Confine(Layers::kAll); });
  const auto status = ReadFileAt(AT_FDCWD, front.Proc("status"), 64 << 10);
  ASSERT_TRUE(status.ok()) << status.status();
  const std::string ids = "\t65534\t65534\t65534\t65534\n";
  for (const std::string& line : {"Uid:" + ids, "Gid:" + ids, std::string("Groups:\t \n"),
                                  std::string("NoNewPrivs:\t1\n"), std::string("Seccomp:\t2\n")}) {
    EXPECT_TRUE(absl::StrContains(*status, line)) << line << *status;
  }
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_TRUE(absl::StrContains(*status, absl::StrCat(set, ":\t0000000000000000\n"))) << set;
  }
  for (const char* name : {"ns/mnt", "ns/net", "ns/ipc", "ns/uts"}) {
    EXPECT_NE(Link(front.Proc(name)), Link(absl::StrCat("/proc/self/", name))) << name;
  }
  const auto mounts = ReadFileAt(AT_FDCWD, front.Proc("mounts"), 64 << 10);
  ASSERT_TRUE(mounts.ok()) << mounts.status();
  EXPECT_TRUE(absl::StartsWith(*mounts, "glovebox-front / tmpfs ro,nosuid,nodev,noexec"))
      << *mounts;
  EXPECT_EQ(std::count(mounts->begin(), mounts->end(), '\n'), 1) << *mounts;
  const auto limits = ReadFileAt(AT_FDCWD, front.Proc("limits"), 64 << 10);
  ASSERT_TRUE(limits.ok()) << limits.status();
  for (const char* name : {"Max processes", "Max file size", "Max core file size"}) {
    const size_t at = limits->find(name);
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(limits->substr(at + 26, 2), "0 ") << name;
  }
}

// Whether a process of user nobody may look at another's descriptors, as it may trace it then.
bool NobodySees(const std::string& directory) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
        ::setresuid(kNobody, kNobody, kNobody) != 0) {
      ::_exit(2);
    }
    ::_exit(::opendir(directory.c_str()) == nullptr ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2);
  return WEXITSTATUS(status) == 0;
}

TEST_F(FrontConfinementTest, OthersOfItsUserCannotTraceIt) {
  const Confined front([] { return Confine(Layers::kAll); });
  EXPECT_FALSE(NobodySees(front.Proc("fd")));
  const Confined plain([] {
    return ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
           ::setresuid(kNobody, kNobody, kNobody) == 0 && ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
  });
  EXPECT_TRUE(NobodySees(plain.Proc("fd"))) << "the control";
}

TEST_F(FrontConfinementTest, RootIsNoUserForIt) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(GiveUpPrivilege(0, 64, kMemory).ok() ? 1 : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace glovebox
