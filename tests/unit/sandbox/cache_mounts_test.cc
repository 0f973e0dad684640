#include "sandbox/cache_mounts.h"

#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace glovebox {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string FieldOf(const std::vector<CacheMount>& caches) {
  const absl::Status status = CheckCacheMounts(caches);
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->metadata["field"] : std::string(status.message());
}

TEST(CacheMountsTest, DirectoriesOfTheSandboxsOwnAndWhatIsNotInNormalFormAreRefused) {
  for (const char* target : {"",
                             "/",
                             "relative",
                             "/a/",
                             "//a",
                             "/a//b",
                             "/a/./b",
                             "/a/../b",
                             "/..",
                             "/proc",
                             "/proc/x",
                             "/dev",
                             "/dev/shm/x",
                             "/sys",
                             "/sys/fs",
                             "/tmp",
                             "/tmp/x",
                             "/workspace",
                             "/workspace/x",
                             "/home",
                             "/home/agent",
                             "/usr",
                             "/usr/bin",
                             "/usr/lib",
                             "/bin",
                             "/lib64",
                             "/etc",
                             "/a\nb",
                             "/a\x7f",
                             "/a\xff",
                             "/\xc0\xaf",
                             "/\xed\xa0\x80",
                             "/\xf4\x90\x80\x80",
                             "/\xe2\x82"}) {
    EXPECT_NE(WrongTarget(target), "") << target;
    EXPECT_EQ(FieldOf({{"", kDigest, target}}), "caches[0].target_path") << target;
  }
  EXPECT_NE(WrongTarget(absl::string_view("/a\0b", 4)), "");
  EXPECT_NE(WrongTarget("/" + std::string(256, 'x')), "");
  std::string deep;
  while (deep.size() <= kCacheTargetBytesMax) deep += "/x";
  EXPECT_NE(WrongTarget(deep), "");
}

TEST(CacheMountsTest, OtherDirectoriesAreTaken) {
  for (const char* target :
       {"/c", "/home/agent/.npm", "/home/agents", "/usr/share/maven", "/usr/lib/x", "/etc/pip",
        "/opt/a b", "/k\xc3\xa4se", "/\xf0\x9f\x93\xa6", "/processes", "/tmpfs", "/workspaces"}) {
    EXPECT_EQ(WrongTarget(target), "") << target;
  }
}

TEST(CacheMountsTest, TheyAreNeitherAboveNorBelowEachOther) {
  EXPECT_EQ(FieldOf({{"", kDigest, "/a"}, {"", kDigest, "/a"}}), "caches[1].target_path");
  EXPECT_EQ(FieldOf({{"", kDigest, "/a"}, {"", kDigest, "/a/b"}}), "caches[1].target_path");
  EXPECT_EQ(FieldOf({{"", kDigest, "/a/b"}, {"", kDigest, "/a"}}), "caches[1].target_path");
  EXPECT_EQ(FieldOf({{"", kDigest, "/a"}, {"", kDigest, "/ab"}}), "");
}

TEST(CacheMountsTest, EachNamesASnapshotAndThereAreAtMostEight) {
  EXPECT_EQ(FieldOf({{"", "", "/a"}}), "caches[0]");
  EXPECT_EQ(FieldOf({{"", "sha256:1", "/a"}}), "caches[0].snapshot");
  EXPECT_EQ(FieldOf({{"Bad name", "", "/a"}}), "caches[0].name");
  EXPECT_EQ(FieldOf({{"good-name", "", "/a"}}), "");
  std::vector<CacheMount> caches;
  while (caches.size() < kCacheMountsMax) {
    caches.push_back({"", kDigest, "/c" + std::to_string(caches.size())});
  }
  EXPECT_EQ(FieldOf(caches), "");
  caches.push_back({"", kDigest, "/more"});
  EXPECT_EQ(FieldOf(caches), "caches");
}

}  // namespace
}  // namespace glovebox
