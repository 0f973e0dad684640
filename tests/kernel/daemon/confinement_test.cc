// What the daemon takes from itself: capabilities and system calls.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "launcher/self_filter.h"
#include "linux/capabilities.h"
#include "linux/file_io.h"
#include "policy/daemon_policy.h"

namespace glovebox {
namespace {

// Both are for ever, so each test has a process of its own: `body` returns what is wrong.
std::string InChild(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string wrong = body();
    (void)!::write(ends[1], wrong.data(), wrong.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t size = ::read(ends[0], said.data(), said.size());
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return "the child was killed";
  said.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return said;
}

uint64_t Mask(const std::string& set) {
  auto status = ReadFileAt(AT_FDCWD, "/proc/thread-self/status", 64 * 1024);
  if (!status.ok()) return ~uint64_t{0};
  const size_t at = status->find(set + ":\t");
  return at == std::string::npos
             ? ~uint64_t{0}
             : std::stoull(status->substr(at + set.size() + 2, 16), nullptr, 16);
}

std::vector<int> Numbers() {
  std::vector<int> numbers;
  for (const KeptCapability& kept : DaemonCapabilities()) numbers.push_back(kept.number);
  return numbers;
}

std::string RunsWell(std::vector<std::string> arguments) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  int result = 1;
  ::waitpid(child, &result, 0);
  return result == 0 ? "" : absl::StrCat(arguments[0], " ended with ", result);
}

// With zeros for arguments none of the calls does anything.
std::string CallsThatAreNotRefused() {
  std::string wrong;
  for (const RefusedCall& call : DaemonRefusedCalls()) {
    errno = 0;
    if (::syscall(static_cast<long>(call.number), 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM) {
      absl::StrAppend(&wrong, call.name, ": ", errno, "; ");
    }
  }
  return wrong;
}

TEST(ConfinementTest, OnlyTheListedCapabilitiesStayInAnySet) {
  EXPECT_EQ(InChild([]() -> std::string {
              uint64_t listed = 0;
              for (const int number : Numbers()) listed |= uint64_t{1} << number;
              const uint64_t had = Mask("CapPrm");
              if (const absl::Status status = KeepOnlyCapabilities(Numbers()); !status.ok()) {
                return status.ToString();
              }
              std::string wrong;
              for (const char* set : {"CapPrm", "CapEff"}) {
                if (Mask(set) != (had & listed)) absl::StrAppend(&wrong, set, " ");
              }
              for (const char* set : {"CapInh", "CapAmb"}) {
                if (Mask(set) != 0) absl::StrAppend(&wrong, set, " ");
              }
              if ((Mask("CapBnd") & ~listed) != 0) wrong += "CapBnd";
              return wrong;
            }),
            "");
}

TEST(ConfinementTest, ACapabilityThatLeftDoesNotComeBackByExecve) {
  EXPECT_EQ(
      InChild([]() -> std::string {
        if (!KeepOnlyCapabilities({}).ok()) return "not dropped";
        return RunsWell({"/bin/grep", "-q", "^CapEff:.0000000000000000$", "/proc/self/status"});
      }),
      "");
}

TEST(ConfinementTest, EveryListedCallIsRefusedInEveryThread) {
  EXPECT_EQ(InChild([]() -> std::string {
              std::string wrong;
              int go[2];
              if (::pipe2(go, O_CLOEXEC) != 0) return "no pipe";
              std::thread older([&] {
                char byte = 0;
                (void)!::read(go[0], &byte, 1);
                wrong += CallsThatAreNotRefused();
              });
              const absl::Status status = RefuseCallsToSelf();
              (void)!::write(go[1], "x", 1);
              older.join();
              if (!status.ok()) return status.ToString();
              return wrong + CallsThatAreNotRefused();
            }),
            "");
}

TEST(ConfinementTest, WhatTheDaemonDoesIsNotRefused) {
  EXPECT_EQ(InChild([]() -> std::string {
              if (!RefuseCallsToSelf().ok()) return "not installed";
              if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) return "no_new_privs is set";
              if (!ReadFileAt(AT_FDCWD, "/proc/self/status", 64 * 1024).ok()) return "no files";
              return RunsWell({"/bin/true"});
            }),
            "");
}

}  // namespace
}  // namespace glovebox
