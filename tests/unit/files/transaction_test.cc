// A change of a tree that is killed at any step, and whose undoing is killed at any step as well,
// leaves the tree as it was before or as it is to be, and nothing else.
#include "files/transaction.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "linux/file_io.h"
#include "tests/unit/files/killed_at_step.h"
#include "tests/unit/patch/map_tree.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

constexpr char kName[] = ".glovebox-00";

const Files& Before() {
  static const auto* const files =
      new Files{{"changed", File("one\n")},     {"deep/only/gone", File("x\n")},
                {"deep/stays", File("s\n")},    {"from", File("moved\n", 0755)},
                {"link", Link("changed")},      {"file-to-link", File("f\n")},
                {"dir-to-file/a", File("a\n")}, {"dir-to-file/b/c", File("c\n")},
                {"file-to-dir", File("d\n")},   {"untouched", File("u\n")}};
  return *files;
}

const Files& After() {
  static const auto* const files =
      new Files{{"changed", File("two\n", 0755)},        {"deep/stays", File("s\n")},
                {"new/where/to", File("moved\n", 0755)}, {"link", Link("untouched")},
                {"file-to-link", Link("deep")},          {"dir-to-file", File("now a file\n")},
                {"file-to-dir/x", File("in\n")},         {"untouched", File("u\n")}};
  return *files;
}

std::vector<PlannedChange> Changes() {
  std::vector<PlannedChange> changes;
  Files all = Before();
  all.insert(After().begin(), After().end());
  for (const auto& [path, ignored] : all) {
    PlannedChange change;
    change.path = path;
    if (auto it = Before().find(path); it != Before().end()) change.before = it->second;
    if (auto it = After().find(path); it != After().end()) change.after = it->second;
    if (change.before != change.after) changes.push_back(change);
  }
  return changes;
}

class TransactionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "glovebox-transaction-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void Reset() {
    fs::remove_all(root_ + "/tree");
    WriteFiles(root_ + "/tree", Before());
    top_.Reset(::open((root_ + "/tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(top_.valid());
  }

  std::vector<std::optional<struct stat>> Stats(const std::vector<PlannedChange>& changes) const {
    std::vector<std::optional<struct stat>> stats;
    for (const PlannedChange& change : changes) {
      struct stat stat {};
      const bool there =
          ::fstatat(top_.get(), change.path.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0;
      stats.push_back(there ? std::optional<struct stat>(stat) : std::nullopt);
    }
    return stats;
  }

  absl::Status Run(const std::function<void()>& at_step) const {
    const std::vector<PlannedChange> changes = Changes();
    Transaction transaction(top_.get(), kName, at_step);
    RETURN_IF_ERROR(transaction.Stage(changes, Stats(changes)));
    RETURN_IF_ERROR(transaction.Commit());
    transaction.Finish();
    return absl::OkStatus();
  }

  // As one that is killed when all is in place and nothing is answered.
  void CommitAndDie() const {
    const std::vector<PlannedChange> changes = Changes();
    Transaction transaction(top_.get(), kName);
    if (transaction.Stage(changes, Stats(changes)).ok() && transaction.Commit().ok()) {
      ::raise(SIGKILL);
    }
  }

  Files Tree() const { return ReadFiles(root_ + "/tree"); }
  std::vector<std::string> Directories() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/tree")) {
      if (entry.is_directory() && !entry.is_symlink()) {
        names.push_back(entry.path().lexically_relative(root_ + "/tree").string());
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string root_;
  UniqueFd top_;
};

TEST_F(TransactionTest, ADoneOneIsTheNewTreeAndLeavesNothing) {
  Reset();
  ASSERT_TRUE(Run(nullptr).ok());
  EXPECT_EQ(Describe(Tree()), Describe(After()));
  EXPECT_EQ(Directories(), (std::vector<std::string>{"deep", "file-to-dir", "new", "new/where"}));
}

TEST_F(TransactionTest, KilledAtAnyStepItIsUndoneAsAWhole) {
  Reset();
  const std::vector<std::string> directories = Directories();
  bool survived = false;
  for (int kill_at = 0; !survived; ++kill_at) {
    SCOPED_TRACE(kill_at);
    ASSERT_LT(kill_at, 500);
    Reset();
    survived = Survives(kill_at, [&](const std::function<void()>& at_step) { (void)Run(at_step); });
    const absl::StatusOr<bool> undone = Transaction::Recover(top_.get(), kName);
    ASSERT_TRUE(undone.ok()) << undone.status();
    const std::string tree = Describe(Tree());
    if (tree == Describe(After())) continue;  // after the journal went
    ASSERT_EQ(tree, Describe(Before()));
    ASSERT_EQ(Directories(), directories);
  }
  EXPECT_EQ(Describe(Tree()), Describe(After()));
}

TEST_F(TransactionTest, AnUndoingThatIsKilledAtAnyStepIsFinishedByTheNext) {
  // In the middle, where every kind of step is behind or ahead.
  for (const int kill_at : {9, 20, 30, 38}) {
    bool survived = false;
    for (int kill_undo = 0; !survived; ++kill_undo) {
      SCOPED_TRACE(absl::StrCat(kill_at, " ", kill_undo));
      ASSERT_LT(kill_undo, 500);
      Reset();
      ASSERT_FALSE(
          Survives(kill_at, [&](const std::function<void()>& at_step) { (void)Run(at_step); }));
      survived = Survives(kill_undo, [&](const std::function<void()>& at_step) {
        (void)Transaction::Recover(top_.get(), kName, at_step);
      });
      ASSERT_TRUE(Transaction::Recover(top_.get(), kName).ok());
      ASSERT_EQ(Describe(Tree()), Describe(Before()));
    }
  }
}

TEST_F(TransactionTest, AFileThatSomebodyElseChangedMeanwhileUndoesEverything) {
  Reset();
  const std::vector<PlannedChange> changes = Changes();
  const auto stats = Stats(changes);
  std::ofstream(root_ + "/tree/changed", std::ios::app) << "by somebody else\n";
  Transaction transaction(top_.get(), kName);
  ASSERT_TRUE(transaction.Stage(changes, stats).ok());
  const absl::Status status = transaction.Commit();
  EXPECT_EQ(GetErrorDetail(status)->reason, "FILE_KEPT_CHANGING") << status;
  transaction.Finish();
  Files expected = Before();
  expected["changed"].content += "by somebody else\n";
  EXPECT_EQ(Describe(Tree()), Describe(expected));
}

TEST_F(TransactionTest, AChangeOfWhatWasPutInPlaceIsKeptByTheUndoing) {
  // A file that the patch replaced, and one that it made.
  for (const std::string& path : {std::string("changed"), std::string("new/where/to")}) {
    SCOPED_TRACE(path);
    Reset();
    const std::vector<PlannedChange> changes = Changes();
    const auto stats = Stats(changes);
    const std::string put = After().at(path).content, place = absl::StrCat(root_, "/tree/", path);
    const auto content = [](const std::string& file) {
      std::ifstream in(file);
      return std::string{std::istreambuf_iterator<char>(in), {}};
    };
    Transaction transaction(top_.get(), kName, [&, appended = false]() mutable {
      if (appended || content(place) != put) return;
      appended = true;
      std::ofstream(place, std::ios::app) << "by somebody else\n";
      // So that the patch fails.
      std::ofstream(root_ + "/tree/link-target") << "x";
      fs::remove(root_ + "/tree/link");
      fs::create_symlink("link-target", root_ + "/tree/link");
    });
    ASSERT_TRUE(transaction.Stage(changes, stats).ok());
    for (int i = 0; i < 3; ++i) {
      // By the next ones, too.
      const absl::Status status =
          i == 0 ? transaction.Commit() : Transaction::Recover(top_.get(), kName).status();
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(GetErrorDetail(status)->reason, "FILES_NOT_UNDONE") << status;
      int kept = 0;
      for (const auto& entry : fs::directory_iterator(absl::StrCat(root_, "/tree/", kName))) {
        kept += content(entry.path()) == put + "by somebody else\n" ? 1 : 0;
      }
      EXPECT_EQ(kept, 1);
      if (const auto old = Before().find(path); old != Before().end()) {
        EXPECT_EQ(content(place), old->second.content);
      } else {
        EXPECT_FALSE(fs::exists(place));
      }
    }
  }
}

TEST_F(TransactionTest, ASymbolicLinkThatComesInBetweenIsNotGoneThrough) {
  Reset();
  const std::vector<PlannedChange> changes = Changes();
  const auto stats = Stats(changes);
  Transaction transaction(top_.get(), kName);
  ASSERT_TRUE(transaction.Stage(changes, stats).ok());
  fs::create_directories(root_ + "/outside/only");
  std::ofstream(root_ + "/outside/only/gone") << "canary\n";
  fs::rename(root_ + "/tree/deep", root_ + "/aside");
  fs::create_symlink(root_ + "/outside", root_ + "/tree/deep");
  EXPECT_FALSE(transaction.Commit().ok());
  transaction.Finish();
  EXPECT_EQ(Describe(ReadFiles(root_ + "/outside")), Describe({{"only/gone", File("canary\n")}}));
}

TEST_F(TransactionTest, WhatSomebodyTookOutOfItsDirectoryIsNotSaidToBeUndone) {
  // Of a file that was removed, and of one that was replaced.
  for (const std::string& change : {std::string("from"), std::string("changed")}) {
    Reset();
    ASSERT_FALSE(Survives(1000, [&](const std::function<void()>&) { CommitAndDie(); }));
    const std::string staging = absl::StrCat(root_, "/tree/", kName);
    int taken = 0;
    for (const auto& entry : fs::directory_iterator(staging)) {
      std::ifstream in(entry.path());
      const std::string content{std::istreambuf_iterator<char>(in), {}};
      if (content != Before().at(change).content) continue;
      fs::remove(entry.path());
      ++taken;
    }
    ASSERT_EQ(taken, 1);
    const absl::StatusOr<bool> undone = Transaction::Recover(top_.get(), kName);
    ASSERT_FALSE(undone.ok());
    EXPECT_EQ(GetErrorDetail(undone.status())->reason, "FILES_NOT_UNDONE") << undone.status();
    // All else is put back.
    Files expected = Before();
    expected.erase(change);
    Files found = Tree();
    std::erase_if(found, [&](const auto& file) { return absl::StartsWith(file.first, kName); });
    if (change == "changed") expected[change] = After().at(change);
    EXPECT_EQ(Describe(found), Describe(expected));
  }
}

TEST_F(TransactionTest, ARecoveryTellsWhetherThereWasAJournal) {
  Reset();
  EXPECT_EQ(Transaction::Recover(top_.get(), kName).value(), false);
  ASSERT_FALSE(Survives(1000, [&](const std::function<void()>&) { CommitAndDie(); }));
  EXPECT_EQ(Transaction::Recover(top_.get(), kName).value(), true);
  EXPECT_EQ(Transaction::Recover(top_.get(), kName).value(), false);
}

TEST_F(TransactionTest, AFifoInPlaceOfTheJournalHoldsNothingUp) {
  Reset();
  const std::string staging = absl::StrCat(root_, "/tree/", kName);
  fs::create_directories(staging);
  ASSERT_EQ(::mkfifo((staging + "/journal").c_str(), 0600), 0);
  const absl::StatusOr<bool> undone = Transaction::Recover(top_.get(), kName);
  ASSERT_FALSE(undone.ok());
  EXPECT_EQ(GetErrorDetail(undone.status())->reason, "FILES_NOT_UNDONE") << undone.status();
}

TEST_F(TransactionTest, AJournalOfSomebodyElsesMakingDoesNotLeadOut) {
  Reset();
  fs::create_directories(root_ + "/tree/" + kName);
  std::ofstream(root_ + "/outside") << "canary\n";
  for (const std::string& bytes : {std::string("\0", 1), std::string("nonsense"),
                                   std::string("\1\12\14\10\1\22\12../outside", 16)}) {
    std::ofstream(absl::StrCat(root_, "/tree/", kName, "/journal"), std::ios::binary) << bytes;
    EXPECT_FALSE(Transaction::Recover(top_.get(), kName).ok());
  }
  EXPECT_TRUE(fs::exists(root_ + "/outside"));
  EXPECT_EQ(Describe(Tree()).find("canary"), std::string::npos);
}

}  // namespace
}  // namespace glovebox
