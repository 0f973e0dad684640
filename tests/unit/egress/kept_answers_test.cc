#include "egress/kept_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsNull;
using ::testing::Pointee;

constexpr int64_t kSecond = 1'000'000'000;
const IpAddress kOne = IpAddress::V4(0x01010101);
const IpAddress kTwo = IpAddress::V4(0x02020202);

HostName Host(absl::string_view text) { return HostName::Parse(text).value(); }

TEST(KeptAnswers, AnAnswerIsKeptAsLongAsItSaysAndNoLongerThanHalfAMinute) {
  KeptAnswers kept;
  kept.Keep(Host("a.example"), {kOne, kTwo}, 5, 0);
  kept.Keep(Host("b.example"), {kTwo}, 86'400, 0);
  EXPECT_THAT(kept.Find(Host("A.example."), 5 * kSecond - 1), Pointee(ElementsAre(kOne, kTwo)));
  EXPECT_THAT(kept.Find(Host("a.example"), 5 * kSecond), IsNull());
  EXPECT_THAT(kept.Find(Host("b.example"), 30 * kSecond - 1), Pointee(ElementsAre(kTwo)));
  EXPECT_THAT(kept.Find(Host("b.example"), 30 * kSecond), IsNull());
  EXPECT_EQ(kept.size(), 0u) << "what is over takes no room";
}

TEST(KeptAnswers, WhatIsNotToBeKeptIsNot) {
  KeptAnswers kept;
  kept.Keep(Host("a.example"), {kOne}, 0, 0);
  kept.Keep(Host("b.example"), {}, 60, 0);
  EXPECT_EQ(kept.size(), 0u);
}

TEST(KeptAnswers, TheNewestAnswerCountsAndAForgottenOneIsAskedForAnew) {
  KeptAnswers kept;
  kept.Keep(Host("a.example"), {kOne}, 10, 0);
  kept.Keep(Host("a.example"), {kTwo}, 10, kSecond);
  EXPECT_THAT(kept.Find(Host("a.example"), kSecond), Pointee(ElementsAre(kTwo)));
  kept.Forget(Host("a.example"));
  EXPECT_THAT(kept.Find(Host("a.example"), kSecond), IsNull());
}

TEST(KeptAnswers, TheirNumberHasALimitAndTheOneThatEndsFirstMakesRoom) {
  KeptAnswers kept;
  kept.Keep(Host("brief.example"), {kOne}, 1, 0);
  for (size_t i = 1; i < KeptAnswers::kNamesMax + 100; ++i) {
    kept.Keep(Host(absl::StrCat("n", i, ".example")), {kOne}, 20, static_cast<int64_t>(i));
  }
  EXPECT_EQ(kept.size(), KeptAnswers::kNamesMax);
  EXPECT_THAT(kept.Find(Host("brief.example"), 0), IsNull());
  EXPECT_THAT(kept.Find(Host("n1.example"), 0), IsNull());
  EXPECT_THAT(kept.Find(Host(absl::StrCat("n", KeptAnswers::kNamesMax + 99, ".example")), 0),
              Pointee(ElementsAre(kOne)));
}

}  // namespace
}  // namespace glovebox
