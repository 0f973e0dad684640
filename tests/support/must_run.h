// A test that needs something of the host says so, and does not pass quietly where it is missing.
#ifndef GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_
#define GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_

#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>

#include "gtest/gtest.h"

// At the top of a TEST or of SetUp: goes on when `condition` holds; otherwise skips, and names what
// is missing. With GLOVEBOX_TESTS_MUST_RUN set (tools/test sets it) a skip is a failure, since a
// test that did not run proved nothing.
#define SKIP_UNLESS(condition, why)                                                         \
  if (condition) {                                                                          \
  } else if (std::getenv("GLOVEBOX_TESTS_MUST_RUN") != nullptr)                             \
    FAIL() << "cannot run here: " << (why) << " (GLOVEBOX_TESTS_MUST_RUN forbids to skip)"; \
  else                                                                                      \
    GTEST_SKIP() << (why)

namespace glovebox {

inline bool KernelIsOlderThan(int major, int minor) {
  utsname name{};
  int running_major = 0;
  int running_minor = 0;
  if (::uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &running_major, &running_minor) != 2) {
    return false;  // nothing is excused then
  }
  return running_major != major ? running_major < major : running_minor < minor;
}

}  // namespace glovebox

// For a feature that the kernel has since Linux major.minor, when older ones are supported too: on
// an older kernel the test is skipped, with the reason, also where skips are forbidden, for there
// it has nothing to prove. On that kernel or a newer one it is as SKIP_UNLESS.
#define SKIP_BEFORE_LINUX(major, minor, condition, why)                            \
  if (!(condition) && ::glovebox::KernelIsOlderThan(major, minor))                 \
    GTEST_SKIP() << (why) << ": Linux has it since " << (major) << "." << (minor); \
  else                                                                             \
    SKIP_UNLESS(condition, why)

#endif  // GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_
