#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "changes/path_quote.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/round_trip.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class PatchRoundTripTest : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_UNLESS(EnterPrivateMounts(), "needs CAP_SYS_ADMIN for mounts"); }
  // Creates or replaces a file below the base's workspace, later below the overlay's.
  void Write(const std::string& path, const std::string& content) {
    const fs::path file = root_ + "/" + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  }
  std::string At(const std::string& path) { return root_ + "/" + path; }
  void FillBase() {
    for (int i = 0; i < 40; ++i) lines_ += absl::StrCat("line ", i, "\n");
    for (const char* name : {"edited", "deleted", "mode", "touched", "to-link", "to-dir", "dir/a",
                             "dir/sub/b", "made-anew/old", "made-anew/kept", "to-file/x", "gone/1",
                             "gone/2/3", "no newline", "emptied", "to-fifo"}) {
      Write(name, lines_);
    }
    Write("binary", std::string("\0\1\2", 3) + std::string(5000, 'b'));
    Write("empty", "");
    Write("gone-empty", "");
    fs::create_symlink("edited", At("link"));
    fs::create_symlink("dir", At("link-to-file"));
    Write(".git/config", "not a repository's");
  }
  void Edit() {
    std::string edited = lines_;
    edited.replace(edited.find("line 3\n"), 7, "LINE 3\n").append("one more");
    Write("edited", edited);
    fs::remove(At("deleted"));
    ASSERT_EQ(::chmod(At("mode").c_str(), 0755), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, At("touched").c_str(), nullptr, 0), 0);
    fs::remove(At("to-link"));
    fs::create_symlink("a target\nwith a newline", At("to-link"));
    fs::remove(At("to-dir"));
    Write("to-dir/inside", "x\n");
    fs::remove_all(At("made-anew"));
    Write("made-anew/kept", lines_);
    Write("made-anew/sub/new", "x\n");
    fs::remove_all(At("to-file"));
    Write("to-file", "a file\n");
    fs::remove_all(At("gone"));
    Write("no newline", lines_ + "end");
    Write("emptied", "");
    Write("empty", "no longer");
    fs::remove(At("gone-empty"));
    Write("binary", std::string("\0\1\3", 3) + std::string(90'000, 'c'));
    fs::remove(At("link"));
    fs::create_symlink("dir", At("link"));
    fs::remove(At("link-to-file"));
    Write("link-to-file", "x");
    Write("new/deep/file", "x\n");
    Write("new-empty", "");
    Write("dir/a", lines_);  // written, but the same
    fs::remove(At("to-fifo"));
    ASSERT_EQ(::mkfifo(At("to-fifo").c_str(), 0644), 0);
    ASSERT_EQ(::mkfifo(At("dir/fifo").c_str(), 0644), 0);
    Write(".git/index", "x");
  }

  OverlayTree overlay_;
  std::string root_ = overlay_.Path("base/workspace");
  std::string lines_;
};

TEST_F(PatchRoundTripTest, AFixedScriptOfEveryKindOfChange) {
  FillBase();
  GitStore git(overlay_.Path("."));
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  Edit();
  ExpectRoundTrip(overlay_, &git, base_tree);
  const auto scan = overlay_.Scan();
  ASSERT_TRUE(scan.ok());
  const auto fifo = std::find_if(scan->changes.begin(), scan->changes.end(),
                                 [](const Change& c) { return c.path == "dir/fifo"; });
  ASSERT_NE(fifo, scan->changes.end());
  EXPECT_EQ(fifo->new_mode, static_cast<uint32_t>(S_IFIFO));
}

TEST_F(PatchRoundTripTest, ChangesOnTopOfASealedUpperWithItsWhiteouts) {
  FillBase();
  GitStore git(overlay_.Path("."));
  overlay_.Mount();
  root_ = overlay_.Work();
  Edit();
  const std::string middle_tree = git.TreeOf(root_);
  overlay_.Mount();
  Write("gone/2/3", "back again\n");
  Write("made-anew/old", "back too\n");
  Write("deleted", lines_);
  fs::remove_all(At("to-dir"));
  Write("to-dir", lines_);
  fs::remove_all(At("dir"));
  fs::remove_all(At("made-anew/sub"));
  ExpectRoundTrip(overlay_, &git, middle_tree);
}

TEST_F(PatchRoundTripTest, NamesOfEveryByte) {
  GitStore git(overlay_.Path("."));
  Write("kept", "x\n");
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/' || byte == '.') continue;
    const std::string c(1, static_cast<char>(byte));
    Write(absl::StrCat("one", c), "x\n");
    Write(absl::StrCat(c, "two", c, c, "/", c), absl::StrCat("x", c));
    Write(absl::StrCat("empty", c, " "), "");
  }
  Write(" leading and trailing ", "x\n");
  Write("\"quoted\"", "x\n");
  Write("a => b", "x\n");
  Write("b/ b/b", "x\n");
  ExpectRoundTrip(overlay_, &git, base_tree);
}

TEST_F(PatchRoundTripTest, AModeChangeOfAFileWithADifficultName) {
  const std::string names[] = {"a b/a b", "tab\there", "\xff\xfe", "x b/x", "trailing "};
  GitStore git(overlay_.Path("."));
  for (const auto& name : names) Write(name, "x\n");
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  for (const auto& name : names) ASSERT_EQ(::chmod(At(name).c_str(), 0755), 0);
  ExpectRoundTrip(overlay_, &git, base_tree);
}

// Every way in which a file moves, in git's own words, how alike it is included.
TEST_F(PatchRoundTripTest, RenamesAreThoseThatGitFinds) {
  for (int i = 0; i < 40; ++i) lines_ += absl::StrCat("line ", i, "\n");
  GitStore git(overlay_.Path("."));
  for (const char* name : {"moved", "edited", "by mode", "\xff\n\"", "dir/a.cc", "dir/b.cc", "half",
                           "to-dir", "chain-1", "chain-2"}) {
    Write(name, absl::StrCat("file ", name, "\n", lines_, "end of ", name, "\n"));
  }
  std::string blob(20'000, '\0');
  for (size_t i = 0; i < blob.size(); ++i) blob[i] = static_cast<char>(i * i / 7);
  Write("binary", blob);
  fs::create_symlink("a target of some length", At("link"));
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  const auto move = [&](const std::string& from, const std::string& to) {
    fs::create_directories(fs::path(At(to)).parent_path());
    fs::rename(At(from), At(to));
  };
  const auto append = [&](const std::string& path, const std::string& text) {
    std::ofstream(At(path), std::ios::binary | std::ios::app) << text;
  };
  move("moved", "elsewhere/moved");
  move("edited", "elsewhere/edited too");
  append("elsewhere/edited too", "one more line\n");
  move("by mode", "by-mode.sh");
  ASSERT_EQ(::chmod(At("by-mode.sh").c_str(), 0755), 0);
  move("\xff\n\"", "a\tb");
  move("dir/a.cc", "other/a.cc");
  append("other/a.cc", lines_.substr(0, 90));
  move("dir/b.cc", "other/b.cc");
  move("half", "halved");
  append("halved", std::string(lines_.size() - 40, 'x') + "\n");
  move("to-dir", "moving");
  move("moving", "to-dir/inside");
  move("chain-2", "chain-3");
  move("chain-1", "chain-2");
  move("binary", "bin/binary");
  append("bin/binary", std::string(3000, '\1'));
  move("link", "link-2");
  const std::string new_tree = ExpectRoundTrip(overlay_, &git, base_tree);
  const auto scan = overlay_.Scan();
  ASSERT_TRUE(scan.ok()) << scan.status();
  const auto renames = overlay_.FindRenames(scan->changes);
  ASSERT_TRUE(renames.ok()) << renames.status();
  EXPECT_FALSE(renames->cut);
  std::string told;
  for (const Change& change : renames->changes) {
    told.push_back(static_cast<char>(change.letter));
    if (change.letter == ChangeLetter::kRenamed) {
      absl::StrAppendFormat(&told, "%03d", change.similarity);
      absl::StrAppend(&told, std::string(1, '\0'), change.old_path);
    }
    absl::StrAppend(&told, std::string(1, '\0'), change.path, std::string(1, '\0'));
  }
  const CommandResult theirs = git.Git(
      root_, "none", absl::StrCat("diff-tree -r -z -M --name-status ", base_tree, " ", new_tree));
  EXPECT_EQ(told, theirs.output);
  EXPECT_NE(told.find("R05"), std::string::npos) << "no file was barely similar";
}

TEST_F(PatchRoundTripTest, AnyNumberOfContextLinesApplies) {
  for (int i = 0; i < 40; ++i) lines_ += absl::StrCat("line ", i, "\n");
  GitStore git(overlay_.Path("."));
  Write("file", lines_);
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  std::string edited = lines_;
  edited.replace(edited.find("line 20\n"), 8, "LINE 20\n");
  Write("file", edited);
  for (const uint32_t lines : {1u, 10u, 4'000'000'000u}) {
    PatchLimits limits;
    limits.context_lines = lines;
    ExpectRoundTrip(overlay_, &git, base_tree, limits);
  }
}

TEST_F(PatchRoundTripTest, APathOf4000Bytes) {
  GitStore git(overlay_.Path("."));
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  UniqueFd dir(::open(overlay_.Work().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string name(249, 'n');
  for (int depth = 0; depth < 15; ++depth) {
    ASSERT_EQ(::mkdirat(dir.get(), name.c_str(), 0755), 0);
    dir.Reset(::openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  const std::string last(250, 'f');
  UniqueFd file(::openat(dir.get(), last.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(file.get(), "x\n", 2), 2);
  const auto scan = overlay_.Scan();
  ASSERT_TRUE(scan.ok()) << scan.status();
  ASSERT_EQ(scan->changes.size(), 1u);
  EXPECT_EQ(scan->changes[0].path.size(), 4000u);
  ExpectRoundTrip(overlay_, &git, base_tree);
}

TEST_F(PatchRoundTripTest, LargeFilesAndManyLinesBecomeBinaryAndStillApply) {
  GitStore git(overlay_.Path("."));
  Write("streamed", std::string(300'000, 'a') + "\n");
  Write("many lines", std::string(5'000, '\n'));
  const std::string base_tree = git.TreeOf(root_);
  overlay_.Mount();
  root_ = overlay_.Work();
  Write("streamed", std::string(400'000, 'b') + "\n");
  Write("many lines", std::string(6'000, '\n'));
  PatchLimits limits;
  limits.text_bytes_max = 100'000;
  limits.text_lines_max = 10'000;
  ExpectRoundTrip(overlay_, &git, base_tree, limits);
}

TEST_F(PatchRoundTripTest, ASparseFileOfATebibyteIsListedAndLeftOutOfThePatch) {
  overlay_.Mount();
  const std::string file = overlay_.Work() + "/sparse";
  std::ofstream(file).close();
  ASSERT_EQ(::truncate(file.c_str(), 1ll << 40), 0);
  const auto scan = overlay_.Scan();
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->bytes_compared, 0u);
  ASSERT_EQ(scan->changes.size(), 1u);
  EXPECT_EQ(scan->changes[0].new_size_bytes, 1ull << 40);
  std::string patch;
  const auto summary = overlay_.WritePatch(scan->changes, {}, &patch);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(patch, "");
  ASSERT_EQ(summary->skipped.size(), 1u);
  EXPECT_EQ(summary->skipped[0].reason, SkipReason::kTooLarge);
}

TEST_F(PatchRoundTripTest, APatchAppliesThoughWhatWasReplacedIsTooLargeForIt) {
  const std::string large = "0123456789";
  for (const char* path : {"d/large", "to-dir", "moved/large"}) Write(path, large);
  for (const char* path : {"d/small", "edited"}) Write(path, "1\n");
  overlay_.Mount();
  root_ = overlay_.Work();
  GitStore git(overlay_.Path("."));
  const std::string base_tree = git.TreeOf(overlay_.Path("base/workspace"));
  fs::remove_all(At("d"));
  fs::remove_all(At("moved"));
  fs::remove(At("to-dir"));
  for (const char* path : {"d", "to-dir/x", "to-dir/y/z", "edited"}) Write(path, "2\n");
  Write("elsewhere", large);
  Write("moved", "2\n");
  const auto scan = overlay_.Scan();
  ASSERT_TRUE(scan.ok()) << scan.status();
  const auto renames = overlay_.FindRenames(scan->changes);
  ASSERT_TRUE(renames.ok()) << renames.status();
  // What a patch without the large files makes of the base.
  fs::remove_all(At("to-dir"));
  for (const char* path : {"d", "moved", "elsewhere"}) fs::remove(At(path));
  for (const char* path : {"d/large", "to-dir", "moved/large"}) Write(path, large);
  const std::string wanted = git.TreeOf(overlay_.Work());
  fs::remove_all(At("d"));
  fs::remove_all(At("moved"));
  fs::remove(At("to-dir"));
  for (const char* path : {"d", "to-dir/x", "to-dir/y/z", "moved"}) Write(path, "2\n");
  Write("elsewhere", large);
  PatchLimits limits;
  limits.file_bytes_max = 9;
  for (const std::vector<Change>* changes : {&scan->changes, &renames->changes}) {
    std::string patch;
    const auto summary = overlay_.WritePatch(*changes, limits, &patch);
    ASSERT_TRUE(summary.ok()) << summary.status();
    const std::string file = overlay_.Path("patch");
    std::ofstream(file, std::ios::binary | std::ios::trunc) << patch;
    EXPECT_EQ(git.TreeAfterPatch(base_tree, file), wanted) << patch;
  }
}

// What git's index refuses would void the whole patch, so it must be refused here first.
TEST_F(PatchRoundTripTest, RefusesEveryNameThatGitRefuses) {
  GitStore git(overlay_.Path("."));
  const char* names[] = {".git",   ".GIT/x",  "a/.git/b", "git~1",   "git~1.",      ".git ",
                         ".git:x", "a.git",   ".gitx",    "git~2",   ".git.x",      "x/git~1/y",
                         "gIt~1",  ".git. .", ".git\\x",  "a\\.git", "a\\git~1\\b", ".gitignore"};
  for (const std::string name : names) {
    const CommandResult add =
        git.Git(root_, "names",
                absl::StrCat("update-index --add --cacheinfo "
                             "100644,e69de29bb2d1d6434b8b29ae775ad8c2e48c5391,'",
                             name, "'"));
    EXPECT_EQ(RefusedByGit(name, false), add.exit_code != 0) << name << ": " << add.output;
  }
}

}  // namespace
}  // namespace glovebox
