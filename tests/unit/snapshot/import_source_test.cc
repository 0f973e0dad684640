#include "snapshot/import_source.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

class ImportSourceTest : public testing::Test {
 protected:
  ImportSourceTest() {
    std::string path = testing::TempDir() + "/source.XXXXXX";
    directory_ = ::mkdtemp(path.data());
    std::filesystem::create_directory(directory_ + "/repository");
  }
  ~ImportSourceTest() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

TEST_F(ImportSourceTest, LinkAndDotsNameTheSameSource) {
  std::filesystem::create_symlink("repository", directory_ + "/link");
  const auto plain = IdentifySource(directory_ + "/repository", "X");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_TRUE(plain->is_directory);
  EXPECT_EQ(plain->key.size(), 64u);
  for (const char* other : {"/link", "/repository/", "/repository/../link", "/./repository"}) {
    const auto same = IdentifySource(directory_ + other, "X");
    ASSERT_TRUE(same.ok()) << same.status();
    EXPECT_EQ(same->key, plain->key) << other;
    EXPECT_EQ(same->path, plain->path) << other;
  }
}

TEST_F(ImportSourceTest, AnotherDirectoryAtTheSamePathIsAnotherSource) {
  const auto before = IdentifySource(directory_ + "/repository", "X");
  std::filesystem::create_directory(directory_ + "/other");
  ASSERT_EQ(::renameat2(AT_FDCWD, (directory_ + "/other").c_str(), AT_FDCWD,
                        (directory_ + "/repository").c_str(), RENAME_EXCHANGE),
            0);
  const auto after = IdentifySource(directory_ + "/repository", "X");
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(before->path, after->path);
  EXPECT_NE(before->key, after->key);
}

TEST_F(ImportSourceTest, WhatWasOpenedIsAskedAboutAndNotWhatIsThereLater) {
  const std::string path = directory_ + "/repository";
  const std::string canonical = std::filesystem::canonical(path);
  std::vector<std::string> asked;
  const SourcePolicy swaps = [&](const std::string& opened) {
    asked.push_back(opened);
    std::filesystem::rename(path, directory_ + "/elsewhere");
    std::filesystem::create_symlink("/", path);
    return absl::OkStatus();
  };
  const auto source = IdentifySource(path, "X", swaps);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(asked, std::vector<std::string>{canonical});
  struct stat pinned {};
  struct stat elsewhere {};
  ASSERT_EQ(::fstat(source->pinned->get(), &pinned), 0);
  ASSERT_EQ(::stat((directory_ + "/elsewhere").c_str(), &elsewhere), 0);
  EXPECT_EQ(pinned.st_ino, elsewhere.st_ino);
  const SourcePolicy refuses = [&](const std::string& opened) {
    return opened == "/" ? absl::PermissionDeniedError("outside") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsPermissionDenied(IdentifySource(path, "X", refuses).status()));
}

TEST_F(ImportSourceTest, MissingPathHasTheReasonAskedFor) {
  for (const char* path : {"/absent", "/repository/absent"}) {
    const absl::Status status = IdentifySource(directory_ + path, "THING_NOT_FOUND").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "THING_NOT_FOUND");
  }
}

TEST_F(ImportSourceTest, PathBelowAFileIsMissing) {
  fclose(fopen((directory_ + "/file").c_str(), "w"));
  EXPECT_EQ(ReasonOf(IdentifySource(directory_ + "/file/x", "THING_NOT_FOUND").status()),
            "THING_NOT_FOUND");
}

TEST_F(ImportSourceTest, FifoIsRefusedWithoutBeingOpened) {
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReasonOf(IdentifySource(directory_ + "/fifo", "X").status()), "PATH_NOT_SUPPORTED");
}

TEST(ImportSource, RelativeUnprintableAndLongPathsAreInvalid) {
  for (const std::string& path :
       {std::string(""), std::string("relative"), std::string("/a\nb"), std::string("/a\x1b[0m"),
        std::string("/\xff"), "/" + std::string(5000, 'a')}) {
    EXPECT_EQ(ReasonOf(IdentifySource(path, "X").status()), "PATH_INVALID");
  }
}

TEST(Revision, EmptyMeansHead) { EXPECT_EQ(*ParseRevision(""), "HEAD"); }

TEST(Revision, NamesAndIdsPass) {
  for (const char* text : {"main", "v1.0", "feature/x_y-z", "0123abc", "release@2", "caf\xc3\xa9",
                           "0123456789012345678901234567890123456789"}) {
    const auto revision = ParseRevision(text);
    ASSERT_TRUE(revision.ok()) << revision.status();
    EXPECT_EQ(*revision, text);
  }
}

TEST(Revision, OptionsRangesPathsAndSearchesAreRefused) {
  for (const std::string& text :
       {std::string("-x"), std::string("--upload-pack=x"), std::string("a..b"),
        std::string("HEAD:file"), std::string(":/text"), std::string("main@{1}"),
        std::string("main^{tree}"), std::string("a b"), std::string("a\nb"), std::string("*"),
        std::string("\x7f"), std::string("\xff"), std::string("x\0y", 3), std::string("$(id)'\""),
        std::string(251, 'a')}) {
    const absl::Status status = ParseRevision(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(ReasonOf(status), "REVISION_INVALID");
  }
}

}  // namespace
}  // namespace glovebox
