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
    EXPECT_TRUE(owners->Of("sha256:1").empty());
    EXPECT_TRUE(owners->Add("sha256:1", "uid:1").ok());
    EXPECT_TRUE(owners->Add("sha256:1", "uid:3").ok());
    EXPECT_TRUE(owners->Add("image:x", "uid:1").ok());
    EXPECT_TRUE(owners->Set("image:x", {"uid:2"}).ok());
    EXPECT_TRUE(owners->Add("sha256:2", "uid:2").ok());
    EXPECT_TRUE(owners->Set("sha256:2", {}).ok());
    EXPECT_TRUE(owners->Add("sha256:3", "uid:2").ok());
    EXPECT_TRUE(owners->Keep([](const std::string& key) { return key != "sha256:3"; }).ok());
  }
  const auto owners = *StoreOwners::Open(path);
  EXPECT_EQ(owners->Of("sha256:1"), (std::set<std::string>{"uid:1", "uid:3"}));
  EXPECT_EQ(owners->Of("image:x"), (std::set<std::string>{"uid:2"}));
  EXPECT_TRUE(owners->Of("sha256:2").empty());
  EXPECT_TRUE(owners->Of("sha256:3").empty());
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST(StoreOwnersTest, WhatIsEverybodysIsSeenAndNotOwned) {
  const auto owners = *StoreOwners::Open("");
  EXPECT_TRUE(owners->Add("shared", StoreOwners::kEverybody).ok());
  EXPECT_TRUE(owners->Add("own", "uid:1").ok());
  const Viewer one("uid:1");
  const Viewer two("uid:2");
  const Viewer admin{EveryOwner{}};
  EXPECT_TRUE(owners->Sees(two, "shared"));
  EXPECT_FALSE(owners->Owns(two, "shared"));
  EXPECT_TRUE(owners->Owns(admin, "shared"));
  EXPECT_TRUE(owners->Sees(one, "own"));
  EXPECT_TRUE(owners->Owns(one, "own"));
  EXPECT_FALSE(owners->Sees(two, "own"));
  EXPECT_FALSE(owners->Sees(one, "unknown"));
  EXPECT_TRUE(owners->Sees(admin, "unknown"));
  EXPECT_FALSE(owners->Owns(Viewer("*"), "shared"));
}

TEST(StoreOwnersTest, WhatEarlierReleasesWroteIsRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/owners";
  std::ofstream(path) << R"({"sha256:1": "uid:1", "sha256:2": ["uid:2", "*"]})";
  const auto owners = *StoreOwners::Open(path);
  EXPECT_EQ(owners->Of("sha256:1"), (std::set<std::string>{"uid:1"}));
  EXPECT_EQ(owners->Of("sha256:2"), (std::set<std::string>{"uid:2", "*"}));
}

TEST(StoreOwnersTest, WhatIsNotOursIsNotBelieved) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/owners";
  for (const char* text : {"", "[]", "{\"a\":1}", "{\"a\":[1]}", "{\"a\":"}) {
    std::ofstream(path) << text;
    EXPECT_TRUE(absl::IsDataLoss(StoreOwners::Open(path).status())) << text;
  }
}

}  // namespace
}  // namespace glovebox
