#include "sandbox/egress_bytes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/status.h"
#include "egress/egress_wire.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

EgressBytes Of(const UniqueFd& file) {
  EgressBytes bytes;
  EXPECT_EQ(::pread(file.get(), &bytes, sizeof bytes, 0), static_cast<ssize_t>(sizeof bytes));
  return bytes;
}

TEST(EgressBytesTest, BeginAtZeroAndGoOnFromWhatTheyAre) {
  const TemporaryDirectory directory;
  const std::string path = directory.Join("id.bytes");
  {
    const auto first = OpenEgressBytes(path);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(Of(*first).sent, 0u);
    EXPECT_EQ(Of(*first).received, 0u);
    const EgressBytes counted{7, uint64_t{1} << 40};
    ASSERT_EQ(::pwrite(first->get(), &counted, sizeof counted, 0),
              static_cast<ssize_t>(sizeof counted));
  }
  const auto next = OpenEgressBytes(path);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(Of(*next).sent, 7u);
  EXPECT_EQ(Of(*next).received, uint64_t{1} << 40);
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(EgressBytesTest, OneThatWasNotFinishedIsMadeWhole) {
  const TemporaryDirectory directory;
  const std::string path = directory.Join("id.bytes");
  std::ofstream(path) << "short";
  const auto file = OpenEgressBytes(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Of(*file).sent, 0u);
  EXPECT_EQ(Of(*file).received, 0u);
}

TEST(EgressBytesTest, ALinkIsNotFollowed) {
  const TemporaryDirectory directory;
  const std::string path = directory.Join("id.bytes");
  std::filesystem::create_symlink(directory.Join("other"), path);
  EXPECT_FALSE(OpenEgressBytes(path).ok());
  EXPECT_FALSE(std::filesystem::exists(directory.Join("other")));
}

}  // namespace
}  // namespace glovebox
