// Pages of one listing while the files change between them.
#include "service/listing_page.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

constexpr int kFiles = 50;

class ListingPageTest : public ::testing::Test {
 protected:
  ListingPageTest() {
    for (const char* dir : {"upper", "lower"}) tree_.MakeDir(dir);
  }

  void Begin(const JournalLimits& limits = {}) {
    source_.files.upper = tree_.OpenDir("upper");
    source_.files.lowers.push_back(tree_.OpenDir("lower"));
    source_.files.disk = "disk";
    source_.layers = source_.files.View("");
    source_.journal = *ChangeJournal::Open(-1, "changes", limits, &memory_, &clock_);
  }
  // As much as a page token carries.
  absl::StatusOr<std::vector<ListedChange>> List(const ListingRequest& request,
                                                 std::string* token) {
    ListingPlace place;
    if (!token->empty()) {
      ASSIGN_OR_RETURN(place, ListingPlace::Decode(*token));
    }
    ASSIGN_OR_RETURN(std::vector<ListedChange> changes,
                     ListForPage(source_, ChangeSelection{{}, {}, false}, request, token->empty(),
                                 clock_, &place));
    *token = place.Encode();
    return changes;
  }
  static JournalPoint PointOf(const std::string& token) { return ListingPlace::Decode(token)->to; }

  ScratchTree tree_;
  RealClock clock_;
  JournalMemory memory_{uint64_t{1} << 30};
  ChangeSource source_;
};

TEST_F(ListingPageTest, WhatSeveralLooksToldIsFollowedByTheWhole) {
  JournalLimits limits;
  limits.history_bytes_max = 4096;
  Begin(limits);
  for (int i = 0; i < kFiles; ++i) tree_.Write(absl::StrCat("upper/", i), "x");
  std::string token;
  const auto first = List({}, &token);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->size(), kFiles);
  ASSERT_EQ(PointOf(token).sequence, kUnknownSequence) << "it must be too much to be kept";

  for (int i = 1; i < kFiles; ++i) (void)::unlink(tree_.Path(absl::StrCat("upper/", i)).c_str());
  const auto second = List({}, &token);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->size(), 1u);

  // The client still has the files of the first page.
  const auto next = source_.journal->ListNow(source_.layers, source_.files.disk, PointOf(token));
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_NE(next->to.sequence, kUnknownSequence);
  EXPECT_TRUE(next->fresh);
}

TEST_F(ListingPageTest, OfAListThatIsKnownAllPagesAreOfOneLook) {
  Begin();
  tree_.Write("upper/a", "x");
  std::string token;
  ASSERT_TRUE(List({}, &token).ok());
  tree_.Write("upper/b", "x");
  const auto second = List({}, &token);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->size(), 1u);
}

TEST_F(ListingPageTest, AMoveThatIsNoneAnyMoreOnALaterPageEndsTheListing) {
  const std::string content(4096, 'c');
  tree_.Write("lower/a", content);
  tree_.Write("upper/a", "");
  tree_.SetXattr("upper/a", "user.overlay.whiteout", "y");
  tree_.SetXattr("upper", "user.overlay.opaque", "x");
  tree_.Write("upper/m", "another");
  tree_.Write("upper/z", content);
  Begin();
  ListingRequest request;
  request.find_renames = true;
  std::string token;
  const auto first = List(request, &token);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ(first->back().change.letter, ChangeLetter::kRenamed);
  EXPECT_EQ(first->back().change.old_path, "a");
  const auto same = List(request, &token);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->size(), 2u);

  // The deletion of a comes before m, which was told.
  tree_.Write("upper/z", "rewritten");
  const auto other = List(request, &token);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(GetErrorDetail(other.status())->reason, "PAGE_TOKEN_INVALID");
}

}  // namespace
}  // namespace glovebox
