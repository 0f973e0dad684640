#include "daemon/egress_authority.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

class EgressAuthorityTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/glovebox-authority-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    file_ = absl::StrCat(folder, "/egress-authority.pem");
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, folder_).ok()); }

  std::string folder_;
  std::string file_;
};

TEST_F(EgressAuthorityTest, IsMadeOnceAndReadByRootAlone) {
  const auto first = LoadEgressAuthority(folder_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::StartsWith(first->certificate_pem, "-----BEGIN CERTIFICATE-----"));
  EXPECT_FALSE(absl::StrContains(first->certificate_pem, "PRIVATE"));
  EXPECT_FALSE(first->key_der.empty());
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  const auto second = LoadEgressAuthority(folder_);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->certificate_der, first->certificate_der);
  EXPECT_EQ(second->key_der, first->key_der);
}

TEST_F(EgressAuthorityTest, AFileOfAnotherKindIsRefusedAndKept) {
  ASSERT_TRUE(LoadEgressAuthority(folder_).ok());
  ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
  EXPECT_FALSE(LoadEgressAuthority(folder_).ok()) << "others may have read it";
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
  EXPECT_TRUE(LoadEgressAuthority(folder_).ok());
  std::ofstream(file_, std::ios::trunc) << "nothing\n";
  const auto damaged = LoadEgressAuthority(folder_);
  ASSERT_FALSE(damaged.ok());
  EXPECT_TRUE(absl::StrContains(damaged.status().message(), file_));
  EXPECT_EQ(*ReadFileAt(AT_FDCWD, file_, 100), "nothing\n");
}

TEST_F(EgressAuthorityTest, WhatAKilledDaemonLeftIsInNobodysWay) {
  std::ofstream(absl::StrCat(file_, ".new")) << "half";
  EXPECT_TRUE(LoadEgressAuthority(folder_).ok());
}

}  // namespace
}  // namespace glovebox
