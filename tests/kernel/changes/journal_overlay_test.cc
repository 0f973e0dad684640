// Journals over a real overlay: what they tell between any two looks, against an oracle that reads
// the whole tree.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "changes/change_journal.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/overlay_tree.h"
#include "tests/kernel/changes/random_payload.h"
#include "tests/kernel/changes/swapper.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

// Paths and what is there, as lists have it: no directory but those that have no entries and the
// base does not have, and those that the base has without entries, while they are there.
using Tree = std::map<std::string, std::string>;

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Describe(const fs::path& path, const struct stat& stat) {
  switch (stat.st_mode & S_IFMT) {
    case S_IFREG:
      return absl::StrCat((stat.st_mode & S_IXUSR) != 0 ? "x " : "f ", ReadAll(path));
    case S_IFLNK:
      return absl::StrCat("l ", fs::read_symlink(path).string());
    case S_IFDIR:
      return "dir";
    default:
      return absl::StrCat("special ", stat.st_mode & S_IFMT);
  }
}

// Everything, with every directory.
Tree ReadTree(const fs::path& root) {
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat stat {};
    EXPECT_EQ(::lstat(entry.path().c_str(), &stat), 0);
    tree[entry.path().lexically_relative(root).string()] = Describe(entry.path(), stat);
  }
  return tree;
}

bool HasBelow(const Tree& tree, const std::string& path) {
  const auto below = tree.lower_bound(path + "/");
  return below != tree.end() && below->first.compare(0, path.size() + 1, path + "/") == 0;
}

Tree AsListed(const Tree& all, const Tree& all_of_base) {
  Tree tree;
  for (const auto& [path, what] : all) {
    if (what == "dir") {
      const auto base = all_of_base.find(path);
      const bool base_has = base != all_of_base.end() && base->second == "dir";
      if (base_has ? HasBelow(all_of_base, path) : HasBelow(all, path)) continue;
    }
    tree[path] = what;
  }
  return tree;
}

// The list of changes from `from` to `to`, as an oracle has it: "A path", without contents.
std::string Expected(const Tree& from, const Tree& to, const Tree& to_all) {
  std::vector<std::string> lines;
  const auto blob = [](const std::string& what) { return what[0] != 'd' && what[0] != 's'; };
  Tree both = from;
  both.insert(to.begin(), to.end());
  std::string out;
  for (const auto& [path, unused] : both) {
    const auto old_side = from.find(path);
    const auto new_side = to.find(path);
    if (new_side == to.end()) {
      const bool filled = old_side->second == "dir" && HasBelow(to_all, path);
      if (!filled) absl::StrAppend(&out, "D ", path, "\n");
    } else if (old_side == from.end()) {
      absl::StrAppend(&out, "A ", path, "\n");
    } else if (old_side->second != new_side->second) {
      const bool one = blob(old_side->second) && blob(new_side->second);
      const bool link = (old_side->second[0] == 'l') != (new_side->second[0] == 'l');
      if (one) absl::StrAppend(&out, link ? "T " : "M ", path, "\n");
      if (!one) absl::StrAppend(&out, "D ", path, "\nA ", path, "\n");
    }
  }
  return out;
}

class JournalOverlayTest : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_UNLESS(EnterPrivateMounts(), "needs CAP_SYS_ADMIN for mounts"); }

  void Begin() {
    fs::create_directories(overlay_.Path("state"));
    const UniqueFd state(::open(overlay_.Path("state").c_str(), O_RDONLY | O_CLOEXEC));
    journal_ = *ChangeJournal::Open(state.get(), "changes", {}, &memory_, &clock_);
  }
  absl::StatusOr<ChangeJournal::Look> Look() {
    std::vector<UniqueFd> owned;
    return journal_->LookNow(overlay_.Open(&owned), "disk");
  }
  std::string Between(const std::optional<JournalPoint>& from, const JournalPoint& to) {
    const auto listing = journal_->Between(from, to);
    EXPECT_TRUE(listing.ok() && !listing->fresh) << listing.status();
    std::string out;
    for (const ListedChange& listed : listing->changes) {
      absl::StrAppend(&out, std::string(1, static_cast<char>(listed.change.letter)), " ",
                      listed.change.path, "\n");
    }
    return out;
  }

  OverlayTree overlay_;
  RealClock clock_;
  JournalMemory memory_{uint64_t{1} << 30};
  std::unique_ptr<ChangeJournal> journal_;
};

TEST_F(JournalOverlayTest, AnyTwoLooksDifferAsTheTreesDo) {
  const uint32_t seed = TestSeed();
  SCOPED_TRACE(absl::StrCat("GLOVEBOX_TEST_SEED=", seed));
  RandomPayload base(seed, overlay_.Path("base/workspace"));
  fs::create_directories(overlay_.Path("base/workspace"));
  for (int i = 0; i < 150; ++i) base.Step();
  const Tree base_all = ReadTree(overlay_.Path("base/workspace"));
  overlay_.Mount();
  Begin();
  RandomPayload payload(seed + 1, overlay_.Work());
  std::vector<JournalPoint> points;
  std::vector<Tree> trees;
  std::vector<Tree> listed;
  const Tree base_listed = AsListed(base_all, base_all);
  for (int look = 0; look < 40; ++look) {
    for (int i = 0; i < 12; ++i) payload.Step();
    if (look % 7 == 6) Begin();  // the next daemon
    const auto now = Look();
    ASSERT_TRUE(now.ok()) << now.status();
    points.push_back(now->point);
    trees.push_back(ReadTree(overlay_.Work()));
    listed.push_back(AsListed(trees.back(), base_all));
    ASSERT_EQ(Between(std::nullopt, points.back()),
              Expected(base_listed, listed.back(), trees.back()));
  }
  for (size_t from = 0; from < points.size(); ++from) {
    for (size_t to = from; to < points.size(); ++to) {
      ASSERT_EQ(Between(points[from], points[to]), Expected(listed[from], listed[to], trees[to]))
          << from << " to " << to;
    }
  }
  if (HasFailure()) std::printf("seed %u\n", seed);
}

TEST_F(JournalOverlayTest, AWriteThroughAMappingIsSeenWhileTheFileIsOpen) {
  overlay_.Mount();
  fs::create_directories(overlay_.Work());
  const std::string path = overlay_.Work() + "/mapped";
  std::ofstream(path) << std::string(8192, 'a');
  Begin();
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  void* const pages = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(pages, MAP_FAILED);
  auto* const bytes = static_cast<volatile char*>(pages);
  bytes[0] = 'b';
  auto last = Look();
  for (char c = 'c'; c < 'p'; ++c) {
    bytes[1] = c;
    const auto now = Look();
    ASSERT_TRUE(now.ok());
    ASSERT_EQ(Between(last->point, now->point), "M mapped\n");
    last = now;
  }
  ASSERT_EQ(::munmap(pages, 8192), 0);
}

TEST_F(JournalOverlayTest, WritersThatNeverRestAreFollowedToTheirLastWord) {
  overlay_.Mount();
  fs::create_directories(overlay_.Work());
  Begin();
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      std::ofstream(absl::StrCat(overlay_.Work(), "/", i % 20)) << i;
      if (i % 3 == 0) std::ofstream(overlay_.Work() + "/log", std::ios::app) << i << "\n";
      if (i % 5 == 0) fs::remove(absl::StrCat(overlay_.Work(), "/", (i + 7) % 20));
    }
  });
  JournalPoint first;
  Tree tree;
  std::vector<JournalPoint> points;
  for (int i = 0; i < 200; ++i) {
    const auto look = Look();
    if (absl::IsAborted(look.status())) continue;
    ASSERT_TRUE(look.ok()) << look.status();
    points.push_back(look->point);
  }
  stop = true;
  writer.join();
  const auto last = Look();
  ASSERT_TRUE(last.ok());
  const Tree all = ReadTree(overlay_.Work());
  // What is known of the last point is the tree as it is, however many looks were made on the way.
  std::string expected;
  for (const auto& [path, what] : all) absl::StrAppend(&expected, "A ", path, "\n");
  EXPECT_EQ(Between(std::nullopt, last->point), expected);
  const auto listing = journal_->Between(std::nullopt, last->point);
  for (const ListedChange& listed : listing->changes) {
    EXPECT_EQ(listed.change.new_size_bytes, all.at(listed.change.path).size() - 2);
  }
  ASSERT_FALSE(points.empty());
  const auto again = Look();
  EXPECT_EQ(again->point, last->point);
}

TEST_F(JournalOverlayTest, WhatIsSwappedMeanwhileIsNeverReadOutside) {
  const std::string outside = overlay_.Path("outside");
  fs::create_directories(outside);
  fs::create_directories(overlay_.Path("base/workspace"));
  const std::string secret = "CANARY";
  std::ofstream(outside + "/file") << secret;
  overlay_.Mount();
  Swapper swapper(overlay_.Path("upper1/workspace"), outside, "inside");
  Begin();
  swapper.Begin();
  std::set<std::string> digests;
  for (int i = 0; i < 300; ++i) {
    const auto look = Look();
    if (absl::IsAborted(look.status())) continue;
    EXPECT_TRUE(look.ok()) << look.status();
    if (!look.ok()) break;
    const auto listing = journal_->Between(std::nullopt, look->point);
    for (const ListedChange& listed : listing->changes) {
      if (listed.content.has_value()) digests.insert(DigestText(listed.content->sha256));
    }
  }
  // "inside", and nothing else that was ever read.
  EXPECT_EQ(digests,
            std::set<std::string>{
                "sha256:106b086224a4d945eae25f7be3805a931a873270326dd868b0e41f71ee9fff72"});
}

}  // namespace
}  // namespace glovebox
