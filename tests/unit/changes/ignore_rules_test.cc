#include "changes/ignore_rules.h"

#include <stdio.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "changes/ignore_filter.h"
#include "gtest/gtest.h"
#include "tests/support/must_run.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

bool Matches(absl::string_view line, absl::string_view path, bool is_directory = false) {
  const auto pattern = IgnorePattern::Parse(line);
  EXPECT_TRUE(pattern.ok() && pattern->has_value()) << std::string(line);
  Allowance steps("TEST", "steps", 1'000'000);
  const auto matches = (*pattern)->Matches(path, is_directory, &steps);
  EXPECT_TRUE(matches.ok());
  return *matches;
}

TEST(IgnoreRulesTest, PatternsMatchAsTheManualSays) {
  EXPECT_TRUE(Matches("*.o", "a/b/c.o"));
  EXPECT_FALSE(Matches("/*.o", "a/c.o"));
  EXPECT_TRUE(Matches("doc/*.txt", "doc/a.txt"));
  EXPECT_FALSE(Matches("doc/*.txt", "doc/sub/a.txt"));
  EXPECT_FALSE(Matches("doc/*.txt", "x/doc/a.txt"));
  EXPECT_TRUE(Matches("**/foo/bar", "x/y/foo/bar"));
  EXPECT_TRUE(Matches("a/**/b", "a/b"));
  EXPECT_TRUE(Matches("a/**/b", "a/x/y/b"));
  EXPECT_TRUE(Matches("abc/**", "abc/x/y"));
  EXPECT_FALSE(Matches("abc/**", "abc"));
  EXPECT_FALSE(Matches("build/", "build"));
  EXPECT_TRUE(Matches("build/", "build", true));
  EXPECT_TRUE(Matches("\\!x", "!x"));
  EXPECT_TRUE(Matches("\\#x", "#x"));
  EXPECT_TRUE(Matches("x\\ ", "x "));
  EXPECT_TRUE(Matches("x   ", "x"));
  EXPECT_TRUE(Matches("[[:digit:]-x]?", "5a"));
  EXPECT_FALSE(Matches("[a-", "a"));
}

// What only git says for sure: both read the same .gitignore files of the same tree.
class GitOracle {
 public:
  explicit GitOracle(uint32_t seed) : random_(seed) {
    EXPECT_EQ(::system(("git init -q " + tree_.Path(".") + " 2>/dev/null").c_str()), 0);
  }
  unsigned Pick(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random_);
  }
  std::string Pattern() {
    static const char* const kPieces[] = {"a",  "b",    "ab",   "*",       "**",   "?",   "/",
                                          "/",  "[ab]", "[!a]", "\\*",     ".c",   "**/", "/**",
                                          "a*", "*b",   "[]a]", "[a-c\\]", "[^b]", " ",   "***"};
    std::string pattern = Pick(5) == 0 ? "!" : "";
    for (unsigned pieces = 1 + Pick(5); pieces > 0; --pieces) {
      pattern += kPieces[Pick(std::size(kPieces))];
    }
    return pattern;
  }
  std::string Path() {
    static const char* const kNames[] = {"a", "b", "ab", "c", "a.c", "*", "ba", "]"};
    std::string path = kNames[Pick(8)];
    for (unsigned depth = Pick(4); depth > 0; --depth) {
      absl::StrAppend(&path, "/", kNames[Pick(8)]);
    }
    return path;
  }
  void Ignore(const std::string& directory, const std::string& content) {
    files_[directory] = content;
  }
  void Create(const std::string& path) {
    std::error_code ignored;
    fs::create_directories(fs::path(tree_.Path(path)).parent_path(), ignored);
    if (ignored || fs::exists(tree_.Path(path))) return;
    std::ofstream(tree_.Path(path)) << "x";
    if (fs::is_regular_file(tree_.Path(path))) paths_.push_back(path);
  }
  // Only below directories that are there: others would be new to git.
  void WriteIgnores() {
    for (auto it = files_.begin(); it != files_.end();) {
      if (!it->first.empty() && !fs::is_directory(tree_.Path(it->first))) {
        it = files_.erase(it);
        continue;
      }
      std::ofstream(tree_.Path(it->first + "/.gitignore")) << it->second;
      ++it;
    }
  }
  std::string ByGit() const {
    return Run("git -C " + tree_.Path(".") +
               " ls-files -z --others --exclude-standard | tr '\\0' '\\n' | grep -v gitignore | "
               "sort");
  }
  std::string ByUs() {
    std::vector<ListedChange> changes;
    std::sort(paths_.begin(), paths_.end());
    for (const std::string& path : paths_) {
      ListedChange listed;
      listed.change.path = path;
      listed.change.new_mode = kModeFile;
      changes.push_back(listed);
    }
    const auto read = [this](const std::string& directory) -> absl::StatusOr<std::string> {
      const auto it = files_.find(directory);
      return it == files_.end() ? "" : it->second;
    };
    EXPECT_TRUE(LeaveOutIgnored({}, true, read, {}, &changes).ok());
    std::string kept;
    for (const ListedChange& listed : changes) absl::StrAppend(&kept, listed.change.path, "\n");
    return kept;
  }

 private:
  static std::string Run(const std::string& command) {
    FILE* const pipe = ::popen(("LC_ALL=C; export LC_ALL; " + command).c_str(), "re");
    std::string out;
    char piece[4096];
    for (size_t got = 0; (got = ::fread(piece, 1, sizeof piece, pipe)) > 0;) {
      out.append(piece, got);
    }
    ::pclose(pipe);
    return out;
  }

  std::mt19937 random_;
  ScratchTree tree_;
  std::map<std::string, std::string> files_;
  std::vector<std::string> paths_;
};

TEST(IgnoreRulesTest, RandomPatternsLeaveOutWhatGitLeavesOut) {
  SKIP_UNLESS(::system("git --version >/dev/null 2>&1") == 0, "git is not installed");
  for (uint32_t seed = 0; seed < 8; ++seed) {
    GitOracle oracle(seed);
    for (int i = 0; i < 60; ++i) oracle.Create(oracle.Path());
    std::string shown;
    for (const char* directory : {"", "a", "b/ab"}) {
      std::string content;
      for (unsigned lines = oracle.Pick(6); lines > 0; --lines) {
        absl::StrAppend(&content, oracle.Pattern(), "\n");
      }
      absl::StrAppend(&shown, directory, ":\n", content);
      oracle.Ignore(directory, content);
    }
    oracle.WriteIgnores();
    ASSERT_EQ(oracle.ByUs(), oracle.ByGit()) << "seed " << seed << "\n" << shown;
  }
}

TEST(IgnoreRulesTest, ExponentialLookingPatternsTakeFewSteps) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  pattern += "b";
  const auto parsed = IgnorePattern::Parse(pattern);
  Allowance steps("TEST", "steps", 3'000'000);
  const auto matches = (*parsed)->Matches(std::string(4000, 'a'), false, &steps);
  ASSERT_TRUE(matches.ok()) << matches.status();
  EXPECT_FALSE(*matches);
}

TEST(IgnoreRulesTest, TooManyStepsAndPatternsAreRefused) {
  Allowance few("TEST", "steps", 10);
  const auto pattern = IgnorePattern::Parse("*a*a*a*b");
  EXPECT_TRUE(
      absl::IsResourceExhausted((*pattern)->Matches(std::string(100, 'a'), false, &few).status()));
  EXPECT_FALSE(IgnorePattern::Parse(std::string(kIgnorePatternBytesMax + 1, 'a')).ok());
  std::vector<ListedChange> changes(1);
  changes[0].change.path = "a";
  IgnoreLimits limits;
  limits.patterns_max = 2;
  const auto none = [](const std::string&) -> absl::StatusOr<std::string> { return ""; };
  EXPECT_TRUE(
      absl::IsResourceExhausted(LeaveOutIgnored({"a", "b", "c"}, false, none, limits, &changes)));
}

TEST(IgnoreRulesTest, TrackedPathsStayUnlessTheClientLeavesThemOut) {
  const auto read = [](const std::string&) -> absl::StatusOr<std::string> { return "*.log\nd/\n"; };
  const auto left = [&](const std::vector<std::string>& client) {
    std::vector<ListedChange> changes(4);
    const char* const paths[] = {"d/x", "d/y.log", "new.log", "old.log"};
    for (size_t i = 0; i < 4; ++i) {
      changes[i].change.path = paths[i];
      changes[i].change.new_mode = kModeFile;
      changes[i].in_base = i == 0 || i == 3;
    }
    EXPECT_TRUE(LeaveOutIgnored(client, true, read, {}, &changes).ok());
    std::string kept;
    for (const ListedChange& listed : changes) kept += listed.change.path + " ";
    return kept;
  };
  EXPECT_EQ(left({}), "d/x old.log ");
  EXPECT_EQ(left({"*.log"}), "d/x ");
  EXPECT_EQ(left({"!new.log", "d"}), "new.log old.log ");
}

}  // namespace
}  // namespace glovebox
