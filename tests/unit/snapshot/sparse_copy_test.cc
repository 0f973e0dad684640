#include "snapshot/sparse_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>

#include "base/unique_fd.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

class SparseCopyTest : public testing::Test {
 protected:
  static constexpr off_t kSize = 8 << 20;

  UniqueFd Make(const std::string& name) {
    auto fd = OpenAt(AT_FDCWD, directory_.Join(name), O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT_TRUE(fd.ok()) << fd.status();
    return *std::move(fd);
  }
  static void Write(int fd, off_t at, const std::string& bytes) {
    ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size()));
  }
  static std::string All(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    std::string bytes(static_cast<size_t>(status.st_size), 0);
    EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), status.st_size);
    return bytes;
  }
  static off_t Blocks(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    return status.st_blocks;
  }

  TemporaryDirectory directory_;
};

TEST_F(SparseCopyTest, ACopyHasTheBytesAndTheHoles) {
  const UniqueFd from = Make("from");
  ASSERT_EQ(::ftruncate(from.get(), kSize), 0);
  Write(from.get(), 5000, "near the beginning");
  Write(from.get(), kSize - 100, std::string(100, 'e'));
  const UniqueFd to = Make("to");
  ASSERT_EQ(CopySparse(from.get(), to.get()), absl::OkStatus());
  EXPECT_EQ(All(to.get()), All(from.get()));
  EXPECT_LT(Blocks(to.get()) * 512, 1 << 20);
}

TEST_F(SparseCopyTest, AnUpdateMakesAnOldCopyTheSameWhateverChanged) {
  std::mt19937 random(7);
  const UniqueFd from = Make("from");
  const UniqueFd to = Make("to");
  ASSERT_EQ(::ftruncate(from.get(), kSize), 0);
  ASSERT_EQ(CopySparse(from.get(), to.get()), absl::OkStatus());
  for (int round = 0; round < 50; ++round) {
    const auto at = static_cast<off_t>(random() % (kSize - 300'000));
    const size_t size = random() % 300'000 + 1;
    if (round % 3 == 2) {
      ASSERT_EQ(::fallocate(from.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                            static_cast<off_t>(size)),
                0);
    } else {
      Write(from.get(), at, std::string(size, static_cast<char>('a' + round)));
    }
    ASSERT_EQ(UpdateCopy(from.get(), to.get()), absl::OkStatus());
    ASSERT_EQ(All(to.get()), All(from.get())) << round;
  }
}

}  // namespace
}  // namespace glovebox
