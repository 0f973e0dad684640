#include "sandbox/store_owners.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "sandbox/owner.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

TEST(Viewer, SeesItsOwnAndAdministratorsSeeAll) {
  EXPECT_TRUE(Viewer("uid:1").Sees("uid:1"));
  EXPECT_FALSE(Viewer("uid:1").Sees("uid:10"));
  EXPECT_FALSE(Viewer("uid:1").Sees(""));
  EXPECT_FALSE(Viewer("").Sees(""));
  EXPECT_TRUE(Viewer(EveryOwner{}).Sees(""));
  EXPECT_TRUE(Viewer(EveryOwner{}).Sees("uid:1"));
}

TEST(StoreOwnersTest, OwnersOutliveTheObjectInAPrivateFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/owners";
  {
    const auto owners = *StoreOwners::Open(path);
    EXPECT_EQ(owners->Of("sha256:1"), "");
    EXPECT_TRUE(owners->Set("sha256:1", "uid:1").ok());
    EXPECT_TRUE(owners->Set("image:x", "uid:1").ok());
    EXPECT_TRUE(owners->Set("image:x", "uid:2").ok());
    EXPECT_TRUE(owners->Set("sha256:2", "uid:2").ok());
    EXPECT_TRUE(owners->Remove("sha256:2").ok());
  }
  const auto owners = *StoreOwners::Open(path);
  EXPECT_EQ(owners->Of("sha256:1"), "uid:1");
  EXPECT_EQ(owners->Of("image:x"), "uid:2");
  EXPECT_EQ(owners->Of("sha256:2"), "");
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST(StoreOwnersTest, WhatIsNotOursIsNotBelieved) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/owners";
  for (const char* text : {"", "[]", "{\"a\":1}", "{\"a\":"}) {
    std::ofstream(path) << text;
    EXPECT_TRUE(absl::IsDataLoss(StoreOwners::Open(path).status())) << text;
  }
}

}  // namespace
}  // namespace glovebox
