// Tar streams, honest and hostile, as files.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/tar_text.h"
#include "tools/glovebox/archive_pack.h"
#include "tools/glovebox/archive_unpack.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/glovebox-archive-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    fs::create_directory(root_ / "in");
    std::ofstream(root_ / "outside") << "untouched";
  }
  void TearDown() override { fs::remove_all(root_); }

  absl::Status Unpack(const std::string& tar, uint64_t limit = 1 << 20) {
    bool sent = false;
    return UnpackTree(
        [&]() -> absl::StatusOr<absl::string_view> {
          if (sent) return absl::string_view();
          sent = true;
          return absl::string_view(tar);
        },
        "d",
        [&](bool) -> absl::StatusOr<CopyTarget> {
          return CopyTarget{(root_ / "in").string(), "new"};
        },
        limit, &result_);
  }
  std::string Read(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void ExpectNothingOutside() const {
    EXPECT_EQ(Read(root_ / "outside"), "untouched");
    EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 2) << "only in/ and outside";
  }

  fs::path root_;
  UnpackResult result_;
};

TEST_F(ArchiveTest, AnHonestTreeArrivesUnderItsNewName) {
  ASSERT_TRUE(Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                            {"d/run.sh", AE_IFREG, "#!/bin/sh\n", "", "", 0755},
                            {"d/link", AE_IFLNK, "", "run.sh"},
                            {"d/same", AE_IFREG, "", "", "d/run.sh"}}))
                  .ok());
  EXPECT_EQ(Read(root_ / "in/new/run.sh"), "#!/bin/sh\n");
  EXPECT_NE(fs::status(root_ / "in/new/run.sh").permissions() & fs::perms::owner_exec,
            fs::perms::none);
  EXPECT_EQ(fs::read_symlink(root_ / "in/new/link"), "run.sh");
  EXPECT_EQ(fs::hard_link_count(root_ / "in/new/same"), 2u);
}

TEST_F(ArchiveTest, NamesThatLeadOutAreRefused) {
  for (const char* name : {"/tmp/x", "../outside", "d/../../outside", "elsewhere/x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755}, {name, AE_IFREG, "bad"}}))))
        << name;
  }
  ExpectNothingOutside();
}

TEST_F(ArchiveTest, NothingIsWrittenThroughASymlink) {
  EXPECT_FALSE(Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                             {"d/way", AE_IFLNK, "", "../.."},
                             {"d/way/outside", AE_IFREG, "bad"}}))
                   .ok() &&
               Read(root_ / "outside") != "untouched");
  ExpectNothingOutside();
}

TEST_F(ArchiveTest, AFileReplacesASymlinkInsteadOfFollowingIt) {
  (void)Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                      {"d/f", AE_IFLNK, "", "../../outside"},
                      {"d/f", AE_IFREG, "bad"}}));
  ExpectNothingOutside();
}

TEST_F(ArchiveTest, AHardLinkCannotReachOut) {
  EXPECT_FALSE(Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                             {"d/h", AE_IFREG, "", "", (root_ / "outside").string()}}))
                   .ok());
  EXPECT_FALSE(Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                             {"d/way", AE_IFLNK, "", "../.."},
                             {"d/h", AE_IFREG, "", "", "d/way/outside"}}))
                   .ok());
  EXPECT_EQ(fs::hard_link_count(root_ / "outside"), 1u);
}

TEST_F(ArchiveTest, DevicesAreSkippedAndSetuidIsDropped) {
  ASSERT_TRUE(Unpack(TarOf({{"d", AE_IFDIR, "", "", "", 0755},
                            {"d/null", AE_IFCHR},
                            {"d/pipe", AE_IFIFO},
                            {"d/su", AE_IFREG, "x", "", "", 06755}}))
                  .ok());
  EXPECT_EQ(result_.skipped, 2u);
  EXPECT_FALSE(fs::exists(root_ / "in/new/null"));
  EXPECT_FALSE(fs::exists(root_ / "in/new/pipe"));
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "in/new/su").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & (S_ISUID | S_ISGID), 0u);
}

TEST_F(ArchiveTest, AStreamThatIsTooLongOrNoTarIsAnError) {
  const std::string tar = TarOf({{"d", AE_IFREG, std::string(5000, 'x')}});
  EXPECT_TRUE(absl::IsResourceExhausted(Unpack(tar, 1000)));
  EXPECT_FALSE(Unpack(std::string(2000, 'x')).ok());
  EXPECT_FALSE(Unpack(tar.substr(0, 3000)).ok()) << "cut in the middle of a file";
}

TEST_F(ArchiveTest, WhatIsPackedUnpacksToTheSame) {
  fs::create_directories(root_ / "d/sub");
  std::string bytes(300'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 251);
  std::ofstream(root_ / "d/sub/data", std::ios::binary) << bytes;
  fs::create_symlink("nowhere", root_ / "d/dangling");
  ASSERT_EQ(::mkfifo((root_ / "d/pipe").c_str(), 0600), 0);
  std::string tar;
  PackResult packed;
  ASSERT_TRUE(PackTree(
                  root_.string(), "d", "d",
                  [&](absl::string_view piece) {
                    tar.append(piece.data(), piece.size());
                    return absl::OkStatus();
                  },
                  &packed)
                  .ok());
  EXPECT_EQ(packed.skipped, 1u);
  ASSERT_TRUE(Unpack(tar).ok());
  EXPECT_EQ(Read(root_ / "in/new/sub/data"), bytes);
  EXPECT_EQ(fs::read_symlink(root_ / "in/new/dangling"), "nowhere");
}

}  // namespace
}  // namespace glovebox
