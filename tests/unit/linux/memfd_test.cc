#include "linux/memfd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(MemfdTest, SealedContentReadsBackAndCannotChange) {
  const auto fd = MakeSealedMemfd("plan", "the plan", /*executable=*/false);
  ASSERT_TRUE(fd.ok()) << fd.status();
  char buffer[32] = {};
  ASSERT_EQ(::pread(fd->get(), buffer, sizeof buffer, 0), 8);
  EXPECT_STREQ(buffer, "the plan");
  EXPECT_EQ(::pwrite(fd->get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd->get(), 0), -1);
  EXPECT_EQ(::ftruncate(fd->get(), 100), -1);
  EXPECT_EQ(::fcntl(fd->get(), F_ADD_SEALS, F_SEAL_WRITE), -1) << "the seals are sealed";
  EXPECT_FALSE(SharedMapping::Map(fd->get(), 8).ok()) << "no writable mapping of a sealed file";
}

TEST(MemfdTest, IsCloseOnExec) {
  const auto sealed = MakeSealedMemfd("a", "x", /*executable=*/true);
  const auto fixed = MakeFixedSizeMemfd("b", 4096);
  ASSERT_TRUE(sealed.ok() && fixed.ok());
  EXPECT_NE(::fcntl(sealed->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(fixed->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(MemfdTest, OnlyExecutableOnesHaveAnExecuteBit) {
  for (const bool executable : {false, true}) {
    const auto fd = MakeSealedMemfd("a", "x", executable);
    ASSERT_TRUE(fd.ok());
    struct stat status {};
    ASSERT_EQ(::fstat(fd->get(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, executable ? 0555u : 0444u);
  }
}

TEST(MemfdTest, FixedSizeOneIsZeroedAndKeepsItsSize) {
  const auto fd = MakeFixedSizeMemfd("region", 8192);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(::ftruncate(fd->get(), 4096), -1);
  EXPECT_EQ(::ftruncate(fd->get(), 16384), -1);
  EXPECT_EQ(::pwrite(fd->get(), "x", 1, 8192), -1) << "a write past the end would grow it";
  EXPECT_EQ(::pwrite(fd->get(), "x", 1, 8191), 1) << "within it, writing is what it is for";
  const auto mapping = SharedMapping::Map(fd->get(), 8192);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_TRUE(std::all_of(mapping->data(), mapping->data() + 8191, [](char c) { return c == 0; }));
  EXPECT_EQ(mapping->data()[8191], 'x');
}

TEST(MemfdTest, MappingsOfOneFileShareAndMove) {
  const auto fd = MakeFixedSizeMemfd("region", 4096);
  ASSERT_TRUE(fd.ok());
  auto first = SharedMapping::Map(fd->get(), 4096);
  auto second = SharedMapping::Map(fd->get(), 4096);
  ASSERT_TRUE(first.ok() && second.ok());
  first->data()[7] = 'q';
  EXPECT_EQ(second->data()[7], 'q');
  const SharedMapping moved(*std::move(first));
  EXPECT_EQ(moved.size(), 4096u);
  EXPECT_EQ(moved.data()[7], 'q');
  *second = SharedMapping();
  EXPECT_EQ(second->data(), nullptr);
  EXPECT_EQ(moved.data()[7], 'q');
}

}  // namespace
}  // namespace glovebox
