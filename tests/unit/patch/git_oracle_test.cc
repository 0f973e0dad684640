// Random trees and random changes: what a patch of `git diff` makes of the old tree is the new
// tree, and what git apply makes of a tree that has moved on, we make of it too. The seed of each
// case is printed when it fails; GLOVEBOX_PATCH_CASES sets how many there are.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/patch/map_tree.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

int Cases(int few) {
  const char* asked = std::getenv("GLOVEBOX_PATCH_CASES");
  return asked != nullptr ? std::atoi(asked) : few;
}

class RandomTree {
 public:
  explicit RandomTree(uint32_t seed) : random_(seed) {}

  uint32_t Below(uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(random_); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

  std::string Name() {
    static const char* const kOdd[] = {"with space", "new\nline", "quo\"te",
                                       "\xff\xfe",   "tab\there", "back\\slash",
                                       "trailing ",  " lead",     "uml\xc3\xa4ut"};
    return OneIn(6) ? absl::StrCat(kOdd[Below(9)], Below(3)) : absl::StrCat("f", Below(12));
  }
  std::string Path() {
    // Those of one letter look as git's prefixes do.
    static const char* const kDirectories[] = {"", "d1/", "d1/d2/", "sp ace/", "d3/", "a/", "b/"};
    return absl::StrCat(kDirectories[Below(7)], Name());
  }
  std::string Line() { return absl::StrCat("line ", Below(8), OneIn(9) ? "\r\n" : "\n"); }

  std::string Text() {
    std::string text;
    for (uint32_t lines = Below(40); lines > 0; --lines) absl::StrAppend(&text, Line());
    if (!text.empty() && OneIn(5)) text.pop_back();
    return text;
  }
  std::string Binary() {
    std::string bytes(Below(3000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(OneIn(3) ? Below(256) : 7);
    return bytes;
  }
  PatchedEntry Entry() {
    if (OneIn(8)) return Link(absl::StrCat("to/", Name()));
    return File(OneIn(6) ? std::string("\0", 1) + Binary() : Text(), OneIn(4) ? 0755 : 0644);
  }

  std::string Edited(const std::string& old) {
    if (old.find('\0') != std::string::npos) {
      std::string bytes = old;
      for (uint32_t i = 1 + Below(4); i > 0; --i) {
        bytes.insert(Below(static_cast<uint32_t>(bytes.size())) + 1, Binary().substr(0, 20));
      }
      return bytes;
    }
    std::vector<std::string> lines;
    for (const absl::string_view line : SplitLines(old)) lines.emplace_back(line);
    for (uint32_t i = 1 + Below(4); i > 0; --i) {
      const auto at = static_cast<ptrdiff_t>(Below(static_cast<uint32_t>(lines.size()) + 1));
      if (OneIn(2) || at == static_cast<ptrdiff_t>(lines.size())) {
        if (!lines.empty() && !absl::EndsWith(lines.back(), "\n")) lines.back() += "\n";
        lines.insert(lines.begin() + at, Line());
      } else {
        lines.erase(lines.begin() + at);
      }
    }
    if (!lines.empty() && OneIn(6) && absl::EndsWith(lines.back(), "\n")) lines.back().pop_back();
    return absl::StrJoin(lines, "");
  }

  // A few small files of text, some of them empty.
  Files Texts() {
    Files files;
    for (const char* path : {"a", "b", "c", "d"}) {
      if (OneIn(5)) continue;
      files[path] = File(OneIn(4) ? "" : Text(), OneIn(3) ? 0755 : 0644);
    }
    return files;
  }
  Files TextsChanged(const Files& old) {
    Files files;
    for (const char* path : {"a", "b", "c", "d", "e"}) {
      const auto it = old.find(path);
      if (it == old.end()) {
        if (OneIn(3)) files[path] = File(OneIn(4) ? "" : Text(), OneIn(3) ? 0755 : 0644);
        continue;
      }
      if (OneIn(4)) continue;
      files[path] = it->second;
      if (OneIn(2)) files[path].content = Edited(it->second.content);
      if (OneIn(5)) files[path].mode ^= 0111;
    }
    return files;
  }
  // Lines that no hunk has, so that there is one place for each that is the nearest; other modes,
  // and files that came, went, or have content by now.
  Files MovedOn(const Files& old) {
    Files files;
    for (const auto& [path, entry] : old) {
      if (OneIn(20)) continue;
      std::string moved;
      for (const absl::string_view line : SplitLines(entry.content)) {
        if (OneIn(15)) absl::StrAppend(&moved, "moved ", Below(1000), "\n");
        if (!OneIn(40)) absl::StrAppend(&moved, line);
      }
      if (OneIn(12)) absl::StrAppend(&moved, "moved\n");
      files[path] = File(moved, OneIn(3) ? entry.mode ^ 0111 : entry.mode);
    }
    if (OneIn(12)) files["e"] = File("came\n");
    return files;
  }

  // No path is below another one.
  bool Fits(const Files& files, const std::string& path) {
    for (const auto& [other, entry] : files) {
      if (absl::StartsWith(other, path + "/") || absl::StartsWith(path, other + "/")) return false;
    }
    return true;
  }

  Files Tree() {
    Files files;
    for (uint32_t i = 2 + Below(12); i > 0; --i) {
      const std::string path = Path();
      if (Fits(files, path)) files[path] = Entry();
    }
    return files;
  }

  Files Changed(const Files& old) {
    Files files = old;
    for (uint32_t i = 1 + Below(6); i > 0; --i) ChangeOne(&files);
    return files;
  }

  void ChangeOne(Files* files) {
    const std::string path = Path();
    if (files->empty() || OneIn(4)) {
      files->erase(path);
      if (Fits(*files, path)) (*files)[path] = Entry();
      return;
    }
    auto it = files->begin();
    std::advance(it, Below(static_cast<uint32_t>(files->size())));
    switch (Below(6)) {
      case 0:
        files->erase(it);
        return;
      case 1: {
        PatchedEntry entry = it->second;
        if (entry.kind == PatchedEntry::Kind::kFile && OneIn(2))
          entry.content = Edited(entry.content);
        files->erase(it);
        if (Fits(*files, path)) (*files)[path] = entry;
        return;
      }
      case 2:
        if (it->second.kind == PatchedEntry::Kind::kFile) it->second.mode ^= 0111;
        return;
      case 3:
        it->second = Entry();
        return;
      case 4: {
        // A directory of that name.
        const std::string below = absl::StrCat(it->first, "/", Name());
        files->erase(it);
        if (Fits(*files, below)) (*files)[below] = Entry();
        return;
      }
      default:
        if (it->second.kind == PatchedEntry::Kind::kFile)
          it->second.content = Edited(it->second.content);
        return;
    }
  }

 private:
  std::mt19937 random_;
};

class GitOracle : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "glovebox-patch-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
    ASSERT_EQ(Run(absl::StrCat("git init -q --bare ", top_, "/objects")), 0);
  }
  void TearDown() override { fs::remove_all(top_); }

  static int Run(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // In `directory`, without the configuration of whoever runs the test.
  std::string Git(const std::string& directory, const std::string& arguments) const {
    return absl::StrCat("cd ", directory,
                        " && GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent GIT_DIR=", top_,
                        "/objects GIT_WORK_TREE=. GIT_INDEX_FILE=", top_, "/index git ", arguments);
  }
  static std::string Slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::string Diff(const Files& before, const Files& after, const std::string& options) {
    fs::remove(top_ + "/index");
    for (const auto& [name, files] : {std::pair{"old", before}, std::pair{"new", after}}) {
      const std::string directory = absl::StrCat(top_, "/", name);
      fs::remove_all(directory);
      WriteFiles(directory, files);
      EXPECT_EQ(Run(Git(directory, absl::StrCat("-c core.autocrlf=false add -A && ",
                                                Git(directory, "write-tree"), " > ", top_, "/",
                                                name, ".tree"))),
                0);
    }
    const std::string trees = absl::StrCat("$(cat ", top_, "/old.tree) $(cat ", top_, "/new.tree)");
    EXPECT_EQ(Run(Git(top_, absl::StrCat("diff-tree -r -p ", options, " ", trees, " > ", top_,
                                         "/patch"))),
              0);
    return Slurp(top_ + "/patch");
  }

  // nullopt: git refuses.
  std::optional<Files> GitApplied(const Files& files, const std::string& strip = "-p1") {
    const std::string directory = top_ + "/applied";
    fs::remove_all(directory);
    WriteFiles(directory, files);
    const std::string command = absl::StrCat(
        "cd ", directory, " && GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent ",
        "GIT_CEILING_DIRECTORIES=/ GIT_DIR=/nonexistent git apply --whitespace=nowarn ", strip, " ",
        top_, "/patch 2>", top_, "/why");
    if (Run(command) != 0) return std::nullopt;
    return ReadFiles(directory);
  }

  // Whether both applied the patch in top_; a fatal failure: they do not the same.
  bool BothDoTheSame(const Files& files, const std::string& patch) {
    const absl::StatusOr<Files> ours = Patched(files, patch);
    const std::optional<Files> theirs = GitApplied(files);
    Compare(files, patch, ours, theirs);
    return ours.ok();
  }

  std::string top_;

 private:
  void Compare(const Files& files, const std::string& patch, const absl::StatusOr<Files>& ours,
               const std::optional<Files>& theirs) {
    ASSERT_EQ(ours.ok(), theirs.has_value()) << ours.status() << "\n"
                                             << Slurp(top_ + "/why") << patch << "\n"
                                             << Describe(files);
    if (!ours.ok()) return;
    ASSERT_EQ(Describe(*ours), Describe(*theirs)) << patch << Describe(files);
  }
};

TEST_F(GitOracle, APatchOfGitDiffMakesTheNewTreeAsGitApplyDoes) {
  const std::string options[] = {"--binary -M",       "--binary --full-index",
                                 "--binary -M -C -C", "--binary -M --no-prefix",
                                 "--binary -U1",      "--binary -U10 -M40%"};
  int refused = 0;
  for (int i = 0; i < Cases(40); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", i));
    RandomTree random(static_cast<uint32_t>(i));
    const Files before = random.Tree(), after = random.Changed(before);
    const std::string& chosen = options[random.Below(6)];
    const std::string patch = Diff(before, after, chosen);
    if (patch.empty()) continue;
    const absl::StatusOr<Files> ours = Patched(before, patch);
    ASSERT_TRUE(ours.ok()) << ours.status() << "\n" << patch;
    ASSERT_EQ(Describe(*ours), Describe(after)) << patch;
    const bool bare = absl::StrContains(chosen, "--no-prefix");
    const std::optional<Files> theirs = GitApplied(before, bare ? "-p0" : "-p1");
    // git knows fewer orders in which a file and a directory can change their places.
    if (!theirs.has_value()) {
      ++refused;
      continue;
    }
    ASSERT_EQ(Describe(*ours), Describe(*theirs)) << patch;
  }
  EXPECT_LE(refused, Cases(40) / 20);
}

TEST_F(GitOracle, OnATreeThatHasMovedOnBothDoTheSameOrBothRefuse) {
  int applied = 0, refused = 0;
  for (int i = 0; i < Cases(40); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", i));
    RandomTree random(1'000'000 + static_cast<uint32_t>(i));
    const Files before = random.Texts(), after = random.TextsChanged(before);
    const std::string patch = Diff(before, after, "--binary");
    if (patch.empty()) continue;
    const Files moved = random.MovedOn(before);
    const bool same = BothDoTheSame(moved, patch);
    if (HasFatalFailure()) return;
    ++(same ? applied : refused);
  }
  EXPECT_GT(applied, 3);
  EXPECT_GT(refused, 3);
}

// Of two directories, as diff(1) has them; it tells what is not there by its time alone.
TEST_F(GitOracle, APatchOfDiffDoesWhatGitApplyDoes) {
  // Zones in which the epoch is another day, another hour, and another half of an hour.
  const std::string zones[] = {"UTC0", "XXX5", "XXX-5:30"};
  int applied = 0, refused = 0;
  for (int i = 0; i < Cases(40); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", i));
    RandomTree random(2'000'000 + static_cast<uint32_t>(i));
    const Files before = random.Texts(), after = random.TextsChanged(before);
    for (const auto& [name, files] : {std::pair{"a", before}, std::pair{"b", after}}) {
      fs::remove_all(absl::StrCat(top_, "/", name));
      WriteFiles(absl::StrCat(top_, "/", name), files);
    }
    // Without times nothing tells that a file was not there, or is not to be.
    const char* times = random.OneIn(3) ? "| sed '/^---\\|^+++/s/\t.*//'" : "";
    ASSERT_EQ(Run(absl::StrCat("cd ", top_, " && { TZ=", zones[random.Below(3)],
                               " diff -ruN a b; true; } ", times, " > patch")),
              0);
    const std::string patch = Slurp(top_ + "/patch");
    if (patch.empty()) continue;
    const bool same = BothDoTheSame(random.OneIn(2) ? before : random.MovedOn(before), patch);
    if (HasFatalFailure()) return;
    ++(same ? applied : refused);
  }
  EXPECT_GT(applied, 3);
  EXPECT_GT(refused, 3);
}

}  // namespace
}  // namespace glovebox
