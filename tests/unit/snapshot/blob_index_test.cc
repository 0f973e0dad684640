#include "snapshot/blob_index.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "snapshot/blob_digest.h"

namespace glovebox {
namespace {

constexpr absl::Duration kKept = absl::Hours(1);

BlobDigest Digest(char digit, uint64_t size) { return {std::string(64, digit), size}; }

class BlobIndexTest : public testing::Test {
 protected:
  static BlobLimits Limits() {
    BlobLimits limits;
    limits.bytes_max = 150;
    limits.blobs_max = 100;
    limits.client_bytes_max = 100;
    limits.client_blobs_max = 3;
    limits.blob_bytes_max = 90;
    return limits;
  }
  std::string Put(const std::string& owner, const BlobDigest& digest) {
    const absl::Status reserved = index_.Reserve(
        owner, digest.size_bytes, now_, [this](const std::string& of, const BlobDigest& stale) {
          removed_.push_back(of + stale.hash.substr(0, 1));
        });
    if (!reserved.ok()) return GetErrorDetail(reserved)->reason;
    return index_.Add(owner, digest, now_) ? "" : "twice";
  }

  BlobIndex index_{Limits(), kKept};
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::vector<std::string> removed_;
};

TEST_F(BlobIndexTest, OwnersDoNotSeeEachOther) {
  EXPECT_EQ(Put("a", Digest('1', 10)), "");
  EXPECT_TRUE(index_.Has("a", Digest('1', 10)));
  EXPECT_FALSE(index_.Has("b", Digest('1', 10)));
  EXPECT_FALSE(index_.Has("a", Digest('1', 11))) << "the size is part of the name";
}

TEST_F(BlobIndexTest, EachLimitHasItsReason) {
  EXPECT_EQ(Put("a", Digest('1', 91)), "IMPORT_TOO_LARGE");
  EXPECT_EQ(Put("a", Digest('1', 60)), "");
  EXPECT_EQ(Put("a", Digest('2', 41)), "CLIENT_QUOTA");
  EXPECT_EQ(Put("a", Digest('2', 1)), "");
  EXPECT_EQ(Put("a", Digest('3', 1)), "");
  EXPECT_EQ(Put("a", Digest('4', 1)), "CLIENT_QUOTA") << "as many as there may be";
  EXPECT_EQ(Put("b", Digest('1', 89)), "STORE_FULL") << "62 of 150 are taken";
  EXPECT_EQ(Put("b", Digest('1', 88)), "");
  EXPECT_EQ(Put("b", Digest('1', 1)), "STORE_FULL");
  EXPECT_TRUE(removed_.empty());
}

TEST_F(BlobIndexTest, RoomIsMadeOfWhatNobodyMentionedForAnHourAndOfNothingElse) {
  EXPECT_EQ(Put("a", Digest('1', 50)), "");
  EXPECT_EQ(Put("a", Digest('2', 50)), "");
  now_ += kKept - absl::Seconds(1);
  EXPECT_TRUE(index_.Mention("a", Digest('2', 50), now_).has_value());
  EXPECT_EQ(Put("a", Digest('3', 50)), "CLIENT_QUOTA");
  now_ += absl::Seconds(1);
  EXPECT_EQ(Put("a", Digest('3', 50)), "");
  EXPECT_EQ(removed_, std::vector<std::string>{"a1"});
  now_ += absl::Hours(2);
  EXPECT_EQ(Put("b", Digest('4', 80)), "");
  EXPECT_EQ(removed_.size(), 3) << "the others' too, when all of them take too much";
}

TEST_F(BlobIndexTest, WhatIsHeldStays) {
  EXPECT_EQ(Put("a", Digest('1', 90)), "");
  index_.Hold("a");
  now_ += absl::Hours(2);
  EXPECT_EQ(Put("a", Digest('2', 20)), "CLIENT_QUOTA");
  index_.RemoveStale(now_, [](const std::string&, const BlobDigest&) { FAIL(); });
  index_.Release("a");
  EXPECT_EQ(Put("a", Digest('2', 20)), "");
  EXPECT_EQ(removed_, std::vector<std::string>{"a1"});
}

TEST_F(BlobIndexTest, WhatIsAddedTwiceTakesItsRoomOnce) {
  EXPECT_EQ(Put("a", Digest('1', 50)), "");
  EXPECT_EQ(Put("a", Digest('1', 50)), "twice");
  EXPECT_EQ(index_.bytes(), 50);
  EXPECT_TRUE(index_.Remove("a", Digest('1', 50)));
  EXPECT_FALSE(index_.Remove("a", Digest('1', 50)));
  EXPECT_EQ(index_.bytes(), 0);
  EXPECT_TRUE(index_.owners().empty());
}

TEST(BlobDigestTest, OneBlobHasOneName) {
  const std::string hash(64, 'a');
  EXPECT_TRUE(MakeBlobDigest(hash, 1).ok());
  for (const auto& [text, size] :
       {std::pair<std::string, int64_t>{hash.substr(1), 1},
        {hash + "a", 1},
        {hash, -1},
        {hash, 0},
        {std::string(64, 'A'), 1},
        {absl::StrCat(std::string(63, 'a'), "/"), 1},
        {"", 0},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1}}) {
    EXPECT_FALSE(MakeBlobDigest(text, size).ok()) << text << " " << size;
  }
  const BlobDigest digest = *MakeBlobDigest(hash, 17);
  EXPECT_EQ(ParseBlobFileName(BlobFileName(digest)), digest);
  for (const std::string& name : {hash, hash + "-", hash + "-017", hash + "-0", hash + "-1x",
                                  hash + "- 1", hash + "-+1", hash + "-99999999999999999999"}) {
    EXPECT_FALSE(ParseBlobFileName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace glovebox
