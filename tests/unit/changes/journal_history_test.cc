#include "changes/journal_history.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "changes/journal_record.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

// A tree as lists describe it: files and links by what they are; directories that the base has
// without entries, while they are there; other directories while they have no entries.
using Tree = std::map<std::string, std::string>;

Content ContentOf(char byte) {
  Content content;
  content.hashed = true;
  content.sha256.fill(static_cast<uint8_t>(byte));
  return content;
}

PathSide SideOf(const std::string& entry) {
  PathSide side;
  if (entry == "dir") {
    side.mode = kModeDirectory;
  } else if (entry == "fifo") {
    side.mode = S_IFIFO;
  } else if (absl::StartsWith(entry, "link ")) {
    side.mode = kModeSymlink;
    side.symlink_target = entry.substr(5);
    side.size_bytes = side.symlink_target.size();
  } else if (!entry.empty()) {
    side.mode = entry[0] == 'x' ? kModeExecutable : kModeFile;
    side.size_bytes = entry.size();
    side.content = ContentOf(entry[1]);
  }
  return side;
}

std::string EntryOf(const ListedChange& listed, const Tree& base) {
  if (listed.back_to_base) return base.at(listed.change.path);
  const uint32_t mode = listed.change.new_mode;
  if (mode == kModeDirectory) return "dir";
  if (mode == S_IFIFO) return "fifo";
  if (mode == kModeSymlink) return absl::StrCat("link ", listed.change.symlink_target);
  return absl::StrCat(mode == kModeExecutable ? "x" : "f",
                      std::string(1, static_cast<char>(listed.content->sha256[0])),
                      std::string(listed.change.new_size_bytes - 2, '.'));
}

std::vector<std::string> DirectoriesAbove(const std::string& path) {
  std::vector<std::string> above;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    above.push_back(path.substr(0, slash));
  }
  return above;
}

// What a client does with a list: first what is gone, then what is there.
Tree Apply(Tree tree, const std::vector<ListedChange>& changes, const Tree& base) {
  for (const ListedChange& listed : changes) {
    if (listed.change.letter != ChangeLetter::kDeleted) continue;
    EXPECT_EQ(tree.erase(listed.change.path), 1u) << listed.change.path;
  }
  for (const ListedChange& listed : changes) {
    const Change& change = listed.change;
    if (change.letter == ChangeLetter::kDeleted) continue;
    const bool is_new = change.letter == ChangeLetter::kAdded;
    EXPECT_EQ(tree.contains(change.path), !is_new) << change.path;
    tree[change.path] = EntryOf(listed, base);
    for (const std::string& above : DirectoriesAbove(change.path)) {
      if (!base.contains(above) || base.at(above) != "dir") tree.erase(above);
    }
  }
  return tree;
}

std::vector<LookedAtPath> LookAt(const Tree& tree, const Tree& base) {
  std::map<std::string, LookedAtPath> look;
  for (const auto& [path, entry] : base) {
    const auto now = tree.find(path);
    if (now != tree.end() && now->second == entry) continue;
    look[path] = {path, SideOf(entry), 7, SideOf(now == tree.end() ? "" : now->second)};
  }
  for (const auto& [path, entry] : tree) {
    if (!base.contains(path)) look[path] = {path, {}, 0, SideOf(entry)};
  }
  std::vector<LookedAtPath> paths;
  for (auto& [path, looked] : look) paths.push_back(std::move(looked));
  return paths;
}

class RandomTrees {
 public:
  explicit RandomTrees(uint32_t seed) : random_(seed) {}
  void set_base(const Tree& base) { base_ = base; }
  unsigned Pick(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random_);
  }
  void Step(Tree* tree) {
    const std::string path = Path();
    switch (Pick(6)) {
      case 0:
        Remove(tree, path);
        return;
      case 1:
        return Put(tree, path, "dir");
      case 2:
        return Put(tree, path, absl::StrCat("link ", Pick(2)));
      case 3:
        return Put(tree, path, "fifo");
      default:
        return Put(tree, path,
                   absl::StrCat(Pick(2) == 0 ? "f" : "x", std::string(1, "ab"[Pick(2)]),
                                std::string(Pick(2), '.')));
    }
  }

 private:
  static void Remove(Tree* tree, const std::string& path) {
    tree->erase(path);
    const std::string prefix = path + "/";
    for (auto it = tree->lower_bound(prefix);
         it != tree->end() && absl::StartsWith(it->first, prefix);) {
      it = tree->erase(it);
    }
  }
  void Put(Tree* tree, const std::string& path, const std::string& entry) const {
    Remove(tree, path);
    for (const std::string& above : DirectoriesAbove(path)) {
      tree->erase(above);
      if (base_.contains(above) && base_.at(above) == "dir") (*tree)[above] = "dir";
    }
    (*tree)[path] = entry;
  }
  std::string Path() {
    std::string path(1, "abc"[Pick(3)]);
    for (unsigned depth = Pick(3); depth > 0; --depth) {
      absl::StrAppend(&path, "/", std::string(1, "abc"[Pick(3)]));
    }
    return path;
  }
  std::mt19937 random_;
  Tree base_;
};

// The same history as it is read from its file.
JournalHistory Reread(const JournalHistory& history) {
  JournalHistory read;
  for (const std::string& record : EncodeHistory(history)) {
    const std::string framed = FrameRecord(record);
    absl::string_view bytes = framed;
    const auto taken = TakeRecord(&bytes);
    EXPECT_TRUE(taken.has_value());
    auto batch = DecodeBatch(*taken);
    EXPECT_TRUE(batch.has_value());
    for (auto& item : batch->items) {
      read.Restore(std::move(item.path), batch->sequence, item.as_base);
    }
    if (batch->is_last) read.SetLatest(batch->sequence);
  }
  read.SetHorizon(history.horizon());
  return read;
}

TEST(JournalHistoryTest, DifferencesAddUpOverRandomHistories) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomTrees random(seed);
    Tree base;
    for (int i = 0; i < 12; ++i) random.Step(&base);
    random.set_base(base);
    JournalHistory history;
    std::map<uint64_t, Tree> states = {{0, base}};
    Tree now = base;
    for (int look = 0; look < 25; ++look) {
      for (unsigned steps = random.Pick(4); steps > 0; --steps) random.Step(&now);
      if (random.Pick(6) == 0) now = base;
      const bool changed = now != states.rbegin()->second;
      const uint64_t before = history.latest();
      const uint64_t point = history.Record(LookAt(now, base));
      ASSERT_EQ(point, changed ? before + 1 : before);
      states[point] = now;
      if (random.Pick(8) == 0) history.Fold(history.HalfwayHorizon());
      if (random.Pick(8) == 0) history = Reread(history);
    }
    for (const auto& [from, old_tree] : states) {
      for (const auto& [to, new_tree] : states) {
        if (to < from || !history.Knows(from) || !history.Knows(to)) continue;
        ASSERT_EQ(Apply(old_tree, history.Between(from, to), base), new_tree)
            << from << " to " << to;
      }
    }
    EXPECT_TRUE(history.Knows(history.latest()));
    if (HasFailure()) return;
  }
}

TEST(JournalHistoryTest, ALookThatFindsTheSameIsTheSamePoint) {
  JournalHistory history;
  const Tree base = {{"a", "fa"}};
  EXPECT_EQ(history.Record(LookAt(base, base)), 0u);
  EXPECT_EQ(history.Record(LookAt({{"a", "fb"}}, base)), 1u);
  EXPECT_EQ(history.Record(LookAt({{"a", "fb"}}, base)), 1u);
  EXPECT_EQ(history.Record(LookAt(base, base)), 2u);
  EXPECT_TRUE(history.Between(0, 2).empty());
  const auto back = history.Between(1, 2);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_TRUE(back[0].back_to_base);
  EXPECT_EQ(back[0].change.letter, ChangeLetter::kModified);
}

TEST(JournalHistoryTest, AFileThatIsNotHashedIsAnotherUnlessItsFingerprintIsSettled) {
  const auto look = [](bool settled, int64_t ctime) {
    LookedAtPath path{"large", {}, 0, {kModeFile, uint64_t{1} << 40, "", Content{}}};
    path.side.content->settled = settled;
    path.side.content->fingerprint.ctime_ns = ctime;
    return std::vector<LookedAtPath>{path};
  };
  JournalHistory history;
  EXPECT_EQ(history.Record(look(true, 1)), 1u);
  EXPECT_EQ(history.Record(look(true, 1)), 1u);
  EXPECT_EQ(history.Record(look(true, 2)), 2u);
  EXPECT_EQ(history.Record(look(false, 2)), 3u);
  EXPECT_EQ(history.Record(look(true, 2)), 4u);
  EXPECT_NE(history.Find("large", {0, 2, 0, 0}), nullptr);
  history.DistrustFingerprints();
  EXPECT_EQ(history.Find("large", {0, 2, 0, 0}), nullptr);
  EXPECT_EQ(history.Record(look(true, 2)), 5u);
}

TEST(JournalHistoryTest, FoldingGivesUpOldPointsAndTheirMemory) {
  JournalHistory history;
  Tree tree;
  for (int i = 0; i < 100; ++i) {
    tree["a"] = absl::StrCat("f", i % 2 == 0 ? "a" : "b");
    history.Record(LookAt(tree, {}));
  }
  const uint64_t before = history.bytes();
  history.Fold(history.HalfwayHorizon());
  EXPECT_LT(history.bytes(), before * 2 / 3);
  EXPECT_FALSE(history.Knows(10));
  EXPECT_TRUE(history.Knows(0));
  EXPECT_TRUE(history.Knows(100));
  history.Record({});
  history.Fold(history.latest());
  EXPECT_EQ(history.bytes(), 0u);
  EXPECT_TRUE(history.paths().empty());
}

}  // namespace
}  // namespace glovebox
