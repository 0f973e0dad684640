#include "base/unique_fd.h"

#include <fcntl.h>

#include <utility>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

int OpenNull() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, ClosesOnDestruction) {
  const int fd = OpenNull();
  ASSERT_GE(fd, 0);
  { const UniqueFd owner(fd); }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFdTest, MovingHandsOverAndClosesWhatWasHeld) {
  UniqueFd a(OpenNull());
  UniqueFd b(OpenNull());
  const int first = a.get();
  const int second = b.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  EXPECT_EQ(a.get(), second);
  const UniqueFd c(std::move(a));
  EXPECT_EQ(c.get(), second);
}

TEST(UniqueFdTest, ReleaseGivesUpOwnership) {
  const int fd = [] {
    UniqueFd owner(OpenNull());
    return owner.Release();
  }();
  EXPECT_TRUE(IsOpen(fd));
  EXPECT_EQ(::close(fd), 0);
}

}  // namespace
}  // namespace glovebox
