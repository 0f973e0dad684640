// A test that needs something of the host says so, and does not pass quietly where it is missing.
#ifndef GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_
#define GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_

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

#endif  // GLOVEBOX_TESTS_SUPPORT_MUST_RUN_H_
