#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "snapshot/image_record.h"
#include "snapshot/snapshot_record.h"

namespace glovebox {
namespace {

SnapshotInfo SomeSnapshot() {
  SnapshotInfo info{.digest = "",
                    .source = "/srv/git/project",
                    .source_key = std::string(64, 'a'),
                    .commit = std::string(40, 'b'),
                    .tree = std::string(40, 'c'),
                    .branch = "main",
                    .content_digest = std::string(64, 'd'),
                    .created = absl::FromUnixSeconds(1'700'000'000),
                    .bytes_used = 4096,
                    .inodes_used = 12,
                    .image_bytes = 1 << 20};
  info.digest = SnapshotDigest(info);
  return info;
}

TEST(SnapshotRecord, FormattedRecordIsReadBackUnchanged) {
  const SnapshotInfo info = SomeSnapshot();
  const auto read = ParseSnapshotRecord(FormatSnapshotRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->digest, info.digest);
  EXPECT_EQ(read->source, info.source);
  EXPECT_EQ(read->source_key, info.source_key);
  EXPECT_EQ(read->commit, info.commit);
  EXPECT_EQ(read->tree, info.tree);
  EXPECT_EQ(read->branch, info.branch);
  EXPECT_EQ(read->content_digest, info.content_digest);
  EXPECT_EQ(read->created, info.created);
  EXPECT_EQ(read->bytes_used, info.bytes_used);
  EXPECT_EQ(read->inodes_used, info.inodes_used);
  EXPECT_EQ(read->image_bytes, info.image_bytes);
}

TEST(SnapshotRecord, ATreeWithoutACommitIsReadBackAndHalfACommitIsRefused) {
  SnapshotInfo info = SomeSnapshot();
  info.commit = info.tree = info.branch = "";
  info.digest = SnapshotDigest(info);
  const auto read = ParseSnapshotRecord(FormatSnapshotRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->commit, "");
  info.tree = std::string(40, 'c');
  info.digest = SnapshotDigest(info);
  EXPECT_EQ(ParseSnapshotRecord(FormatSnapshotRecord(info)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SnapshotRecord, EveryIdentifyingFieldChangesTheDigest) {
  const std::string digest = SomeSnapshot().digest;
  for (std::string SnapshotInfo::*field :
       {&SnapshotInfo::source_key, &SnapshotInfo::commit, &SnapshotInfo::tree,
        &SnapshotInfo::branch, &SnapshotInfo::content_digest}) {
    SnapshotInfo other = SomeSnapshot();
    (other.*field)[0] = '0';
    EXPECT_NE(SnapshotDigest(other), digest);
  }
}

TEST(SnapshotRecord, ParentIsKeptAndDoesNotCountInTheDigest) {
  SnapshotInfo info = SomeSnapshot();
  info.parent = "sha256:" + std::string(64, '1');
  ASSERT_EQ(SnapshotDigest(info), info.digest);
  const auto read = ParseSnapshotRecord(FormatSnapshotRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->parent, info.parent);
  for (const std::string& parent :
       {std::string("x"), std::string(64, '1'), std::string("sha256:../x")}) {
    info.parent = parent;
    EXPECT_FALSE(ParseSnapshotRecord(FormatSnapshotRecord(info)).ok()) << parent;
  }
}

TEST(SnapshotRecord, HistoryIsPartOfTheIdentityAndFullIsWhatEarlierReleasesMeant) {
  SnapshotInfo info = SomeSnapshot();
  EXPECT_EQ(FormatSnapshotRecord(info).find("history"), std::string::npos);
  EXPECT_EQ(ParseSnapshotRecord(FormatSnapshotRecord(info))->history, History::kFull);
  for (const History history : {History::kShallow, History::kNone}) {
    const std::string before = info.digest;
    info.history = history;
    info.digest = SnapshotDigest(info);
    EXPECT_NE(info.digest, before);
    const auto read = ParseSnapshotRecord(FormatSnapshotRecord(info));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->history, history);
  }
}

TEST(SnapshotRecord, TreeWithoutACommitIsRecorded) {
  SnapshotInfo info = SomeSnapshot();
  info.commit = info.tree = info.branch = "";
  info.digest = SnapshotDigest(info);
  EXPECT_TRUE(ParseSnapshotRecord(FormatSnapshotRecord(info)).ok());
  info.tree = std::string(40, 'c');
  info.digest = SnapshotDigest(info);
  EXPECT_FALSE(ParseSnapshotRecord(FormatSnapshotRecord(info)).ok()) << "a tree of no commit";
}

TEST(SnapshotRecord, BytesMovedBetweenFieldsChangeTheDigest) {
  SnapshotInfo one = SomeSnapshot();
  SnapshotInfo two = SomeSnapshot();
  one.tree = "ab";
  one.branch = "c";
  two.tree = "a";
  two.branch = "bc";
  EXPECT_NE(SnapshotDigest(one), SnapshotDigest(two));
}

TEST(SnapshotRecord, RecordWhoseDigestDoesNotFollowIsRefused) {
  SnapshotInfo info = SomeSnapshot();
  info.branch = "other";  // the digest is still that of "main"
  EXPECT_EQ(ParseSnapshotRecord(FormatSnapshotRecord(info)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SnapshotRecord, HostileBytesAreRefusedWithoutHarm) {
  const std::string good = FormatSnapshotRecord(SomeSnapshot());
  std::string deep;
  for (int i = 0; i < 20'000; ++i) deep += "[";
  const std::string hostile[] = {
      "",
      "null",
      "[]",
      "{}",
      "{\"digest\": 1}",
      deep,
      std::string(100'000, ' '),
      std::string("\0\0\0", 3),
      "\xff\xfe",
      good.substr(0, good.size() / 2),
      absl::StrReplaceAll(good, {{"\"bytes_used\": 4096", "\"bytes_used\": -1"}}),
      absl::StrReplaceAll(good, {{"\"bytes_used\": 4096", "\"bytes_used\": 1e99"}}),
      absl::StrReplaceAll(good, {{"\"bytes_used\": 4096", "\"bytes_used\": \"4096\""}}),
      absl::StrReplaceAll(good, {{"1700000000", "18446744073709551615"}}),
      absl::StrReplaceAll(good, {{"/srv/git/project", "\\u001b[31m"}}),
      absl::StrReplaceAll(good, {{"\"branch\"", "\"other\""}}),
      absl::StrReplaceAll(good, {{"glovebox-snapshot-1", "glovebox-snapshot-2"}}),
      absl::StrCat(good.substr(0, good.rfind('}')), ", \"extra\": 1}"),
  };
  for (const std::string& bytes : hostile) {
    ASSERT_NE(bytes, good) << "a replacement found nothing to replace";
    EXPECT_EQ(ParseSnapshotRecord(bytes).status().code(), absl::StatusCode::kDataLoss)
        << bytes.substr(0, 200);
  }
}

TEST(ImageRecord, FormattedRecordIsReadBackUnchanged) {
  const ImageInfo info{.name = "debian",
                       .digest = "sha256:" + std::string(64, 'e'),
                       .source = "/tmp/debian.tar.zst",
                       .created = absl::FromUnixSeconds(1'700'000'000),
                       .bytes_used = 1,
                       .inodes_used = 2,
                       .image_bytes = 3};
  const auto read = ParseImageRecord(FormatImageRecord(info));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->name, info.name);
  EXPECT_EQ(read->digest, info.digest);
  EXPECT_EQ(read->source, info.source);
  EXPECT_EQ(read->created, info.created);
  EXPECT_EQ(read->image_bytes, info.image_bytes);
}

TEST(ImageRecord, NameThatIsNoPathComponentIsRefused) {
  for (const char* name :
       {"", ".", "..", "a/b", "../x", "-x", "x-", "UPPER", "a b", ".hidden", "\x1b[0m"}) {
    EXPECT_EQ(ParseImageName(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(ParseImageName(std::string(64, 'a')).ok());
  for (const char* name : {"host", "debian", "debian-12.5", "a"}) {
    EXPECT_TRUE(ParseImageName(name).ok()) << name;
  }
}

}  // namespace
}  // namespace glovebox
