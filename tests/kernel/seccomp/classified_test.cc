// A number that this kernel or its headers know and nobody has looked at.
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "policy/seccomp_table.h"

namespace glovebox {
namespace {

// x86-64 has no calls there: the kernel aligns its numbers with other architectures from 424 on.
bool IsUnassigned(uint32_t number) { return number >= 337 && number <= 423; }

// Whether the running kernel has a call of this number: with arguments of which none is valid it
// says something else than ENOSYS. In a child, since nobody knows what the call does.
bool KernelHas(uint32_t number) {
  const pid_t pid = fork();
  if (pid == 0) {
    (void)setsid();
    const long result = syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
    _exit(result < 0 && errno == ENOSYS ? 1 : 0);
  }
  int status = -1;
  (void)waitpid(pid, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

TEST(SeccompClassified, TheRunningKernelHasNoCallThatNobodyLookedAt) {
  EXPECT_TRUE(KernelHas(SYS_close_range)) << "else the look-up proves nothing";
  EXPECT_FALSE(KernelHas(1'000'000));
  for (uint32_t number = 0; number < 1024; ++number) {
    if (FindSeccompRow(number) != nullptr) continue;
    EXPECT_FALSE(KernelHas(number))
        << "call " << number
        << " is new: read about it and give it a row (CONTRIBUTING.md, \"A system call\")";
  }
}

TEST(SeccompClassified, TheKernelsHeadersHaveNoCallThatNobodyLookedAt) {
  std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
  ASSERT_TRUE(header) << "the kernel's headers (linux-libc-dev) are needed to build";
  int known = 0;
  for (std::string line; std::getline(header, line);) {
    std::istringstream words(line);
    std::string define, name;
    uint32_t number = 0;
    if (!(words >> define >> name >> number) || name.rfind("__NR_", 0) != 0) continue;
    ++known;
    const SeccompRow* row = FindSeccompRow(number);
    ASSERT_NE(row, nullptr) << name << " " << number;
    EXPECT_EQ("__NR_" + std::string(row->name), name) << number;
  }
  EXPECT_GT(known, 350);
}

TEST(SeccompClassified, TheHeadersOf32BitCallsHaveNoneThatNobodyLookedAt) {
  std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_32.h");
  ASSERT_TRUE(header);
  int known = 0;
  for (std::string line; std::getline(header, line);) {
    std::istringstream words(line);
    std::string define, name;
    uint32_t number = 0;
    if (!(words >> define >> name >> number) || name.rfind("__NR_", 0) != 0) continue;
    ++known;
    const SeccompI386Row* row = FindSeccompI386Row(number);
    ASSERT_NE(row, nullptr) << name << " " << number;
    EXPECT_EQ("__NR_" + std::string(row->name), name) << number;
  }
  EXPECT_GT(known, 400);
}

TEST(SeccompClassified, NoRowIsInTheGapOrBeyondTheGreatest) {
  for (const SeccompRow& row : SeccompTable()) {
    EXPECT_FALSE(IsUnassigned(row.number)) << row.name;
    EXPECT_LE(row.number, kSeccompNumberMax) << row.name;
  }
}

}  // namespace
}  // namespace glovebox
