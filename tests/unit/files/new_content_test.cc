// A file that is replaced unless somebody else changes it: killed at any step nothing is lost.
#include "files/new_content.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/files/killed_at_step.h"
#include "tests/unit/patch/map_tree.h"

namespace glovebox {
namespace {

constexpr char kTemporary[] = ".glovebox-00";
constexpr int kStepsMax = 20;

class NewContentTest : public ::testing::Test {
 protected:
  void Reset() {
    std::filesystem::remove_all(top_.Join("d"));
    ASSERT_EQ(::mkdir(top_.Join("d").c_str(), 0700), 0);
    Put("old\n");
  }
  void Put(const std::string& content) const { std::ofstream(top_.Join("d/f")) << content; }
  absl::StatusOr<Place> Find() const { return FindPlace(top_.Join("d/f"), true); }
  // Begins, lets `meanwhile` happen, and replaces.
  template <typename Meanwhile>
  absl::Status Replace(const Meanwhile& meanwhile, const std::function<void()>& at_step) const {
    ASSIGN_OR_RETURN(const Place place, Find());
    ASSIGN_OR_RETURN(NewContent content, NewContent::Begin(&place, kTemporary));
    RETURN_IF_ERROR(content.Write("new\n"));
    meanwhile();
    return content.ReplaceUnchanged(at_step);
  }
  // What another run leaves of it.
  std::string TakenBack() const {
    const absl::StatusOr<Place> place = Find();
    if (!place.ok()) return std::string(place.status().message());
    NewContent::TakeBack(*place, kTemporary);
    return Describe(ReadFiles(top_.Join("d")));
  }

  TemporaryDirectory top_;
  const std::string old_ = Describe({{"f", File("old\n")}});
  const std::string new_ = Describe({{"f", File("new\n")}});
  const std::string theirs_ = Describe({{"f", File("somebody else's\n")}});
};

TEST_F(NewContentTest, KilledAtAnyStepTheFileIsOneOfTheTwoAndAlone) {
  bool survived = false;
  int old_ones = 0;
  for (int kill_at = 0; !survived; ++kill_at) {
    SCOPED_TRACE(kill_at);
    ASSERT_LT(kill_at, kStepsMax);
    Reset();
    survived = Survives(kill_at, [&](const auto& at_step) { (void)Replace([] {}, at_step); });
    const std::string left = TakenBack();
    if (left == new_) continue;
    ASSERT_EQ(left, old_);
    ++old_ones;
  }
  EXPECT_GE(old_ones, 3);
  EXPECT_EQ(TakenBack(), new_);
}

TEST_F(NewContentTest, KilledAtAnyStepWhatSomebodyElseWroteStays) {
  bool survived = false;
  for (int kill_at = 0; !survived; ++kill_at) {
    SCOPED_TRACE(kill_at);
    ASSERT_LT(kill_at, kStepsMax);
    Reset();
    survived = Survives(kill_at, [&](const auto& at_step) {
      (void)Replace([this] { Put("somebody else's\n"); }, at_step);
    });
    ASSERT_EQ(TakenBack(), theirs_);
  }
}

TEST_F(NewContentTest, AFileThatWasReplacedByOthersSinceIsTheirs) {
  Reset();
  // As one that is killed between the exchange and the look, and a file that comes later.
  ASSERT_FALSE(Survives(2, [&](const auto& at_step) { (void)Replace([] {}, at_step); }));
  std::filesystem::remove(top_.Join("d/f"));
  Put("somebody else's\n");
  EXPECT_EQ(TakenBack(), theirs_);
}

}  // namespace
}  // namespace glovebox
