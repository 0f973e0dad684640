#include "linux/file_io.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/support/must_run.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

void Put(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

TEST(FileIoTest, DescriptorsAreCloseOnExec) {
  const auto fd = OpenAt(AT_FDCWD, "/dev/null", O_RDONLY);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_NE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(FileIoTest, MissingFileIsNotFoundAndNamed) {
  const absl::Status status = OpenAt(AT_FDCWD, "/no/such/file", O_RDONLY).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("/no/such/file"), absl::string_view::npos);
}

TEST(FileIoTest, ReadReturnsAllOrRefusesMoreThanAskedFor) {
  const TemporaryDirectory directory;
  const std::string content = std::string(40'000, 'x') + std::string(1, '\0') + "end";
  Put(directory.Join("f"), content);
  EXPECT_EQ(ReadFileAt(AT_FDCWD, directory.Join("f"), content.size()).value_or(""), content);
  EXPECT_EQ(ReadFileAt(AT_FDCWD, directory.Join("f"), content.size() - 1).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(FileIoTest, WriteKernelFileNeverCreatesOrTruncates) {
  const TemporaryDirectory directory;
  EXPECT_EQ(WriteKernelFileAt(AT_FDCWD, directory.Join("f"), "1").code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(directory.Join("f")));
  Put(directory.Join("f"), "abc");
  ASSERT_TRUE(WriteKernelFileAt(AT_FDCWD, directory.Join("f"), "1").ok());
  EXPECT_EQ(ReadFileAt(AT_FDCWD, directory.Join("f"), 10).value_or(""), "1bc");
}

TEST(FileIoTest, WriteAllGoesOnAfterShortWrites) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const std::string content(1 << 20, 'y');  // sixteen times what the pipe holds
  std::string received;
  std::thread drain([&] {
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(reader.get(), buffer, sizeof buffer)) > 0;) {
      received.append(buffer, static_cast<size_t>(count));
    }
  });
  const absl::Status status = WriteAll(writer.get(), content);
  writer.Reset();
  drain.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(received, content);
}

TEST(FileIoTest, MakingAnExistingDirectoryIsFine) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(MakeDirectoryAt(AT_FDCWD, directory.Join("d"), 0700).ok());
  EXPECT_TRUE(MakeDirectoryAt(AT_FDCWD, directory.Join("d"), 0700).ok());
  EXPECT_EQ(MakeDirectoryAt(AT_FDCWD, directory.Join("a/b"), 0700).code(),
            absl::StatusCode::kNotFound);
}

TEST(FileIoTest, RemoveTreeRemovesAllKinds) {
  const TemporaryDirectory directory;
  fs::create_directories(directory.Join("t/a/b/c"));
  fs::create_directories(directory.Join("t/empty"));
  Put(directory.Join("t/a/f"), "1");
  Put(directory.Join("t/a/b/c/g"), "2");
  ASSERT_EQ(::mkfifo(directory.Join("t/a/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, directory.Join("t")).ok());
  EXPECT_FALSE(fs::exists(directory.Join("t")));
  EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, directory.Join("t")).ok()) << "a missing tree is fine";
}

TEST(FileIoTest, RemoveTreeDoesNotFollowSymlinks) {
  const TemporaryDirectory directory;
  fs::create_directories(directory.Join("outside"));
  Put(directory.Join("outside/precious"), "1");
  fs::create_directories(directory.Join("t"));
  fs::create_symlink(directory.Join("outside"), directory.Join("t/link"));
  fs::create_symlink(directory.Join("outside"), directory.Join("top"));
  ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, directory.Join("t")).ok());
  ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, directory.Join("top")).ok());
  EXPECT_FALSE(fs::exists(fs::symlink_status(directory.Join("top"))));
  EXPECT_TRUE(fs::exists(directory.Join("outside/precious")));
}

// In a child with a user and a mount namespace of its own: 0 when the tree was refused and what is
// mounted in it is whole, 77 when the host allows no such mount.
int RemoveTreeAroundAMount(const TemporaryDirectory& directory) {
  if (::mount(directory.Join("outside").c_str(), directory.Join("t/point").c_str(), nullptr,
              MS_BIND, nullptr) != 0) {
    return 77;
  }
  if (RemoveTreeAt(AT_FDCWD, directory.Join("t")).ok()) return 1;
  return fs::exists(directory.Join("outside/precious")) ? 0 : 2;
}

TEST(FileIoTest, RemoveTreeDoesNotEnterMounts) {
  const TemporaryDirectory directory;
  fs::create_directories(directory.Join("outside"));
  Put(directory.Join("outside/precious"), "1");
  fs::create_directories(directory.Join("t/point"));
  // A raw clone: unshare of a user namespace is refused in a process with threads, which a
  // sanitizer may start.
  const auto child = static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, 0));
  SKIP_UNLESS(child >= 0, "no user and mount namespace for this user");
  if (child == 0) ::_exit(RemoveTreeAroundAMount(directory));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  SKIP_UNLESS(WEXITSTATUS(status) != 77, "no bind mounts for this user");
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace glovebox
