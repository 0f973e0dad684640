#include "snapshot/blob_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "base/status.h"
#include "snapshot/upload_import.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class SetClock final : public Clock {
 public:
  int64_t MonotonicNanos() const override { return 0; }
  absl::Time Now() const override { return now; }
  absl::Time now = absl::Now();
};

BlobDigest DigestOf(const std::string& bytes) {
  Sha256 sum;
  sum.Update(bytes);
  return {sum.FinishHex(), bytes.size()};
}

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return status.ok() ? "" : detail.has_value() ? detail->reason : "none";
}

class BlobStoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    store_.reset();
    auto store = BlobStore::Open(directory_.Join("blobs"), &clock_, limits_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.Join("blobs"))) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }
  bool Has(const std::string& owner, const std::string& bytes) {
    return store_->FindMissing(owner, {DigestOf(bytes)}).empty();
  }

  TemporaryDirectory directory_;
  SetClock clock_;
  BlobLimits limits_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(BlobStoreTest, BlobsBelongToWhoBroughtThemAndSurviveTheStore) {
  ASSERT_TRUE(store_->Put("uid:1", DigestOf("x"), "x").ok());
  EXPECT_TRUE(Has("uid:1", "x"));
  EXPECT_FALSE(Has("uid:2", "x"));
  EXPECT_EQ(ReasonOf(store_->Lease("uid:2", DigestOf("x")).status()), "BLOB_NOT_FOUND");
  Open();
  EXPECT_TRUE(Has("uid:1", "x"));
  ASSERT_EQ(Files().size(), 1);
  struct stat status {};
  ASSERT_EQ(::stat(Files()[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600);
}

TEST_F(BlobStoreTest, NamesOfOwnersAreNoPaths) {
  ASSERT_TRUE(store_->Put("cert:../../x/\n", DigestOf("x"), "x").ok());
  EXPECT_TRUE(Has("cert:../../x/\n", "x"));
  EXPECT_EQ(Files().size(), 1);
}

TEST_F(BlobStoreTest, WhatIsNotWhatWasNamedIsNotKept) {
  EXPECT_EQ(ReasonOf(store_->Put("o", DigestOf("x"), "y")), "DIGEST_MISMATCH");
  EXPECT_EQ(ReasonOf(store_->Put("o", DigestOf("x"), "xx")), "DIGEST_MISMATCH");
  auto upload = store_->Begin("o", DigestOf("abc"));
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Write(0, "abd").ok());
  EXPECT_EQ(ReasonOf((*upload)->Finish()), "DIGEST_MISMATCH");
  EXPECT_EQ(ReasonOf((*upload)->Write(0, "abc")), "DIGEST_MISMATCH");
  upload->reset();
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ((*store_->Begin("o", DigestOf("abc")))->accepted(), 0);
}

TEST_F(BlobStoreTest, AnUploadGoesOnWhereItWasAlsoInTheNextStore) {
  const std::string bytes(10'000, 'b');
  for (const uint64_t done : {0, 4'000, 8'000}) {
    auto upload = store_->Begin("o", DigestOf(bytes));
    ASSERT_TRUE(upload.ok());
    EXPECT_EQ((*upload)->accepted(), done);
    const size_t size = std::min<size_t>(4'000, bytes.size() - done);
    ASSERT_TRUE((*upload)->Write(done, bytes.substr(done, size)).ok());
    if ((*upload)->is_whole()) {
      EXPECT_TRUE((*upload)->Finish().ok());
    }
    upload->reset();
    Open();
  }
  EXPECT_TRUE(Has("o", bytes));
  EXPECT_EQ(Files().size(), 1);
}

TEST_F(BlobStoreTest, GapsAndWhatGoesBeyondTheSizeAreRefusedAndOverlapsPassedOver) {
  auto upload = store_->Begin("o", DigestOf("abcdef"));
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Write(0, "abc").ok());
  const absl::Status gap = (*upload)->Write(4, "ef");
  EXPECT_TRUE(absl::IsOutOfRange(gap));
  EXPECT_EQ(ReasonOf(gap), "UPLOAD_GAP");
  EXPECT_EQ(GetErrorDetail(gap)->metadata.at("accepted_offset"), "3");
  EXPECT_TRUE(absl::IsInvalidArgument((*upload)->Write(3, "defg")));
  EXPECT_TRUE(absl::IsInvalidArgument((*upload)->Write(UINT64_MAX, "x")));
  ASSERT_TRUE((*upload)->Write(1, "bcde").ok());
  ASSERT_TRUE((*upload)->Write(0, "abcdef").ok());
  EXPECT_TRUE((*upload)->Finish().ok());
  EXPECT_TRUE(Has("o", "abcdef"));
}

TEST_F(BlobStoreTest, StreamsForOneBlobHelpEachOther) {
  const std::string bytes(1 << 20, 'c');
  std::vector<std::thread> threads;
  std::atomic<int> finished = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, piece = 1000 + 777 * i] {
      auto upload = store_->Begin("o", DigestOf(bytes));
      for (size_t at = 0; upload.ok() && at < bytes.size(); at += piece) {
        if (!(*upload)->Write(at, bytes.substr(at, piece)).ok()) return;
      }
      if (upload.ok() && (*upload)->Finish().ok()) ++finished;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(finished, 4);
  EXPECT_TRUE(Has("o", bytes));
  EXPECT_EQ(Files().size(), 1);
}

TEST_F(BlobStoreTest, ALookAtAnUploadLeavesNothing) {
  EXPECT_EQ((*store_->Begin("o", DigestOf("abc")))->accepted(), 0);
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ(store_->Collect(false).bytes_used, 0);
}

TEST_F(BlobStoreTest, UnfinishedUploadsAreBoundedAndTheOldestIdleOneMakesRoom) {
  limits_.client_unfinished_max = 2;
  Open();
  auto first = store_->Begin("o", DigestOf("first"));
  ASSERT_TRUE((*first)->Write(0, "f").ok());
  auto second = store_->Begin("o", DigestOf("second"));
  ASSERT_TRUE((*second)->Write(0, "s").ok());
  EXPECT_EQ(ReasonOf(store_->Begin("o", DigestOf("third")).status()), "CLIENT_QUOTA");
  EXPECT_TRUE(store_->Begin("another", DigestOf("third")).ok());
  second->reset();
  EXPECT_TRUE(store_->Begin("o", DigestOf("third")).ok());
  EXPECT_EQ((*store_->Begin("o", DigestOf("second")))->accepted(), 0);
  EXPECT_EQ((*first)->accepted(), 1);
}

TEST_F(BlobStoreTest, WhatACrashLeavesIsRemovedAndTheRestIsKept) {
  ASSERT_TRUE(store_->Put("o", DigestOf("kept"), "kept").ok());
  ASSERT_TRUE(store_->Put("o", DigestOf("cut"), "cut").ok());
  auto upload = store_->Begin("o", DigestOf("partial"));
  ASSERT_TRUE((*upload)->Write(0, "part").ok());
  upload->reset();
  const fs::path owner = Files()[0].parent_path();
  fs::resize_file(owner / BlobFileName(DigestOf("cut")), 2);
  std::ofstream(owner / ".fresh-0123") << "x";
  std::ofstream(owner / "what") << "x";
  std::ofstream(owner / (".partial-" + BlobFileName(DigestOf("p")))) << "longer than it may be";
  fs::create_directory(owner / BlobFileName(DigestOf("d")));
  Open();
  EXPECT_TRUE(Has("o", "kept"));
  EXPECT_FALSE(Has("o", "cut"));
  EXPECT_FALSE(Has("o", "d"));
  EXPECT_EQ(Files().size(), 2);
  EXPECT_EQ((*store_->Begin("o", DigestOf("partial")))->accepted(), 4);
  clock_.now += absl::Hours(2);
  Open();
  EXPECT_EQ(Files().size(), 1) << "nobody went on with it";
}

TEST_F(BlobStoreTest, WhatIsMentionedIsKeptForAnHourAlsoInTheNextStore) {
  for (const std::string bytes : {"a", "b"}) {
    ASSERT_TRUE(store_->Put("o", DigestOf(bytes), bytes).ok());
  }
  clock_.now += absl::Minutes(50);
  EXPECT_TRUE(Has("o", "a"));
  EXPECT_EQ(store_->Collect(false).removed, 0);
  clock_.now += absl::Minutes(30);
  Open();
  EXPECT_EQ(store_->Collect(true).removed, 1);
  const BlobCollection collected = store_->Collect(false);
  EXPECT_EQ(collected.removed, 1);
  EXPECT_EQ(collected.bytes_freed, 1);
  EXPECT_EQ(collected.bytes_used, 1);
  EXPECT_TRUE(Has("o", "a"));
  EXPECT_FALSE(Has("o", "b"));
}

TEST_F(BlobStoreTest, WhatAnImportReadsIsNotCollected) {
  ASSERT_TRUE(store_->Put("o", DigestOf("a"), "a").ok());
  ASSERT_TRUE(store_->Put("o", DigestOf("b"), "b").ok());
  absl::StatusOr<BlobLease> lease = store_->Lease("o", DigestOf("a"));
  ASSERT_TRUE(lease.ok());
  clock_.now += absl::Hours(3);
  EXPECT_EQ(store_->Collect(false).removed, 0);
  lease = BlobLease{};
  EXPECT_EQ(store_->Collect(false).removed, 2);
  EXPECT_TRUE(Files().empty());
}

TEST_F(BlobStoreTest, RotIsToldAndRemovedWhenSomebodyNeedsIt) {
  ASSERT_TRUE(store_->Put("o", DigestOf("abc"), "abc").ok());
  ASSERT_TRUE(store_->Put("o", DigestOf("def"), "def").ok());
  const std::string path = Files()[0].parent_path() / BlobFileName(DigestOf("abc"));
  std::ofstream(path) << "abd";
  const auto told = [&](bool content) {
    std::vector<std::string> names;
    EXPECT_TRUE(store_
                    ->Check(content,
                            [&](const BlobCheck& check) {
                              if (!check.problem.empty()) names.push_back(check.name);
                              return absl::OkStatus();
                            })
                    .ok());
    return names;
  };
  EXPECT_TRUE(told(false).empty());
  ASSERT_EQ(told(true).size(), 1);
  EXPECT_NE(told(true)[0].find(BlobFileName(DigestOf("abc"))), std::string::npos);
  EXPECT_TRUE(store_->Verify("o", DigestOf("def")).ok());
  EXPECT_EQ(ReasonOf(store_->Verify("o", DigestOf("abc"))), "STORE_CORRUPT");
  EXPECT_FALSE(Has("o", "abc"));
  EXPECT_TRUE(told(true).empty());
  EXPECT_TRUE(store_->Put("o", DigestOf("abc"), "abc").ok());
}

TEST_F(BlobStoreTest, TheEmptyBlobIsAlwaysThereAndNeverKept) {
  const BlobDigest empty = DigestOf("");
  EXPECT_TRUE(store_->FindMissing("o", {empty}).empty());
  EXPECT_TRUE(store_->Put("o", empty, "").ok());
  EXPECT_TRUE((*store_->Begin("o", empty))->is_whole());
  EXPECT_TRUE(Files().empty());
}

TEST_F(BlobStoreTest, MissingOnesAreNamedOnceInOrder) {
  ASSERT_TRUE(store_->Put("o", DigestOf("b"), "b").ok());
  const std::vector<BlobDigest> missing = store_->FindMissing(
      "o", {DigestOf("c"), DigestOf("b"), DigestOf("a"), DigestOf("c"), DigestOf("")});
  EXPECT_EQ(missing, (std::vector<BlobDigest>{DigestOf("c"), DigestOf("a")}));
}

TEST(BlobInWordsTest, OnlyWhatTheImporterSaysOfABlobIsRead) {
  const BlobDigest digest = DigestOf("x");
  EXPECT_EQ(BlobInWords(absl::StrCat("error: blob ", BlobFileName(digest), " is not there")),
            digest);
  EXPECT_EQ(BlobInWords(absl::StrCat("blob ", BlobFileName(digest))), digest);
  for (const absl::string_view words : {"", "error: blob ", "blob ../../x is", "error: \"blob\""}) {
    EXPECT_FALSE(BlobInWords(words).has_value()) << words;
  }
}

}  // namespace
}  // namespace glovebox
