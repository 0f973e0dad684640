#include "importer/tar_unpack.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "importer/progress_report.h"
#include "linux/file_io.h"
#include "tests/support/tar_text.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TextSource final : public ByteSource {
 public:
  TextSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}
  absl::StatusOr<absl::string_view> Next() override {
    const absl::string_view next = absl::string_view(text_).substr(at_, piece_);
    at_ += next.size();
    return next;
  }

 private:
  const std::string text_;
  const size_t piece_;
  size_t at_ = 0;
};

class TarUnpackTest : public testing::Test {
 protected:
  TarUnpackTest() {
    policy_.bytes_max = 1 << 20;
    fs::create_directory(directory_.Join("in"));
    std::ofstream(directory_.Join("outside")) << "untouched";
  }
  ~TarUnpackTest() override {
    EXPECT_EQ(Content("../outside"), "untouched");
    size_t names = 0;
    for (const auto& entry : fs::directory_iterator(directory_.path())) names += entry.exists();
    EXPECT_EQ(names, 2u);
  }

  absl::Status Unpack(const std::vector<TarMember>& members, TarOptions options = {}) {
    for (const size_t piece : {1000, 100'000}) {
      auto root = OpenAt(AT_FDCWD, directory_.Join("in"), O_RDONLY | O_DIRECTORY);
      ProgressReport progress(0);
      TreeWriter writer(*std::move(root), policy_, &progress);
      TextSource source(TarOf(members), piece);
      const absl::Status status = UnpackTar(&source, options, &writer);
      if (!status.ok()) return status;
      if (const absl::Status finished = writer.Finish(); !finished.ok()) return finished;
    }
    return absl::OkStatus();
  }
  std::string Path(const std::string& name) const { return directory_.Join("in/" + name); }
  std::string Content(const std::string& name) const {
    std::ifstream file(Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  mode_t Mode(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::lstat(Path(name).c_str(), &status), 0) << name;
    return status.st_mode & 07777;
  }

  TemporaryDirectory directory_;
  TreePolicy policy_;
};

TEST_F(TarUnpackTest, UnpackingTwiceGivesTheSame) {
  ASSERT_TRUE(Unpack({{"./", AE_IFDIR, "", "", "", 0755},
                      {"./d/", AE_IFDIR, "", "", "", 02555},
                      {"d/file", AE_IFREG, "content", "", "", 04751},
                      {"d/link", AE_IFLNK, "", "/etc/passwd"},
                      {"d/second", AE_IFREG, "", "", "./d//file"}})
                  .ok());
  EXPECT_EQ(Content("d/second"), "content");
  EXPECT_EQ(Mode("d/file"), 0751u);
  EXPECT_EQ(Mode("d"), 0555u);
  EXPECT_EQ(fs::read_symlink(Path("d/link")), "/etc/passwd");
  EXPECT_EQ(fs::hard_link_count(Path("d/file")), 2u);
}

TEST_F(TarUnpackTest, OneEntryMoreThanAllowedIsTooMany) {
  policy_.entries_max = 3;
  EXPECT_TRUE(Unpack({{"a"}, {"b"}, {"c"}}).ok());
  EXPECT_EQ(Unpack({{"a"}, {"b"}, {"c"}, {"e"}}).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(TarUnpackTest, OneByteMoreThanAllowedIsTooMuchAlsoAsALink) {
  policy_.bytes_max = 100;
  const std::string half(50, 'x');
  EXPECT_TRUE(Unpack({{"a", AE_IFREG, half}, {"b", AE_IFREG, half}}).ok());
  EXPECT_EQ(Unpack({{"a", AE_IFREG, half}, {"b", AE_IFREG, half + "x"}}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      Unpack({{"a", AE_IFREG, half}, {"b", AE_IFREG, "", "", "a"}, {"c", AE_IFREG, "", "", "a"}})
          .code(),
      absl::StatusCode::kResourceExhausted);
}

TEST_F(TarUnpackTest, ALinkIsFollowedOnlyWhereThePolicySaysAndThenStaysInside) {
  const std::vector<TarMember> members = {{"real", AE_IFDIR, "", "", "", 0755},
                                          {"l", AE_IFLNK, "", "/real"},
                                          {"up", AE_IFLNK, "", "../../../real"},
                                          {"l/file", AE_IFREG, "1"},
                                          {"up/other", AE_IFREG, "2"}};
  const absl::Status refused = Unpack(members);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("\"l/file\""));
  policy_.follows_links = true;
  ASSERT_TRUE(Unpack(members).ok());
  EXPECT_EQ(Content("real/file"), "1");
  EXPECT_EQ(Content("real/other"), "2");
}

TEST_F(TarUnpackTest, AFileTakesThePlaceOfATreeOnlyWhereThePolicySays) {
  const std::vector<TarMember> members = {{"d/below/file", AE_IFREG, "1"}, {"d", AE_IFREG, "2"}};
  EXPECT_EQ(Unpack(members).code(), absl::StatusCode::kInvalidArgument);
  policy_.replaces_trees = true;
  ASSERT_TRUE(
      Unpack({{"d", AE_IFDIR}, {"d/below/file", AE_IFREG, "1"}, {"d", AE_IFREG, "2"}}).ok());
  EXPECT_EQ(Content("d"), "2");
}

TEST_F(TarUnpackTest, OwnersThatNoSandboxHasAreRefusedWhereOwnersAreKept) {
  const std::vector<TarMember> members = {{"a", AE_IFREG, "1", "", "", 0644, 65536}};
  EXPECT_TRUE(Unpack(members).ok());
  policy_.keeps_owners = true;
  EXPECT_EQ(Unpack(members).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TarUnpackTest, DevicesAndFifosAreRefusedByName) {
  for (const mode_t type : {AE_IFCHR, AE_IFBLK, AE_IFIFO}) {
    const absl::Status status = Unpack({{"odd", type}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"odd\""));
  }
  TarOptions options;
  options.keeps_fifos = true;
  EXPECT_TRUE(Unpack({{"odd", AE_IFIFO}}, options).ok());
}

TEST_F(TarUnpackTest, ZerosBecomeHoles) {
  ASSERT_TRUE(Unpack({{"zeros", AE_IFREG, absl::StrCat(std::string(512 * 1024, '\0'), "x")}}).ok());
  struct stat status {};
  ASSERT_EQ(::stat(Path("zeros").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 512 * 1024 + 1);
  EXPECT_LT(status.st_blocks * 512, 128 * 1024);
}

}  // namespace
}  // namespace glovebox
