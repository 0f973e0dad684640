#include "service/paging.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

std::string Page(const std::vector<std::string>& items, const std::string& after, int32_t size,
                 std::vector<std::string>* taken, size_t bytes_each = 1) {
  taken->clear();
  return TakePage<std::string>(
      items, after, size, [](const std::string& item) { return item; },
      [&](const std::string& item) {
        taken->push_back(item);
        return bytes_each;
      });
}

using Items = std::vector<std::string>;

TEST(TakePage, PagesTogetherAreTheListAndTheLastHasNoKey) {
  Items taken;
  EXPECT_EQ(Page({"a", "b", "c"}, "", 2, &taken), "b");
  EXPECT_EQ(taken, (Items{"a", "b"}));
  EXPECT_EQ(Page({"a", "b", "c"}, "b", 2, &taken), "");
  EXPECT_EQ(taken, (Items{"c"}));
}

TEST(TakePage, ExactlyFullLastPageIsTheLast) {
  Items taken;
  EXPECT_EQ(Page({"a", "b"}, "", 2, &taken), "");
  EXPECT_EQ(taken, (Items{"a", "b"}));
}

TEST(TakePage, ItemsThatWentBetweenPagesMoveNothing) {
  Items taken;
  EXPECT_EQ(Page({"c", "d"}, "b", 1, &taken), "c");
  EXPECT_EQ(taken, (Items{"c"}));
}

TEST(TakePage, LargeItemsEndAPageEarlyButOneIsAlwaysTaken) {
  Items taken;
  EXPECT_EQ(Page({"a", "b"}, "", 100, &taken, kPageBytesMax + 1), "a");
  EXPECT_EQ(taken, (Items{"a"}));
}

TEST(PageTokens, HoldForOneListingAndOneRunOfTheDaemon) {
  const PageTokens tokens("run1");
  const std::string token = tokens.Make("ListExecs x", "key\xff");
  EXPECT_EQ(*tokens.Read("ListExecs x", token), "key\xff");
  EXPECT_EQ(*tokens.Read("ListExecs x", ""), "");
  for (const auto& wrong :
       {tokens.Read("ListExecs y", token), PageTokens("run2").Read("ListExecs x", token),
        tokens.Read("ListExecs x", "nonsense"), tokens.Read("ListExecs x", token + "AAAA")}) {
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(GetErrorDetail(wrong.status())->reason, "PAGE_TOKEN_INVALID");
  }
}

TEST(PageSize, ZeroIsTheDefaultLargeIsCutNegativeIsRefused) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(5), 5);
  EXPECT_EQ(*PageSize(5000), 1000);
  EXPECT_FALSE(PageSize(-1).ok());
}

}  // namespace
}  // namespace glovebox
