#include "snapshot/host_etc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(HostEtc, PrivateFilesAreNotAllowed) {
  for (const char* path : {"shadow",
                           "gshadow",
                           "passwd",
                           "group",
                           "sudoers",
                           "ssh/ssh_host_rsa_key",
                           "ssl/private/key",
                           "ssl/certs/other.pem",
                           "environment",
                           "gitconfig",
                           "npmrc",
                           "pip.conf",
                           "wgetrc",
                           "fstab",
                           "machine-id",
                           "hosts",
                           "resolv.conf",
                           "hostname",
                           "apt/auth.conf",
                           "perl-private",
                           "python",
                           "ssl",
                           "java-17-openjdkx/y",
                           "ld.so.cache/x",
                           "maven/settings.xml",
                           ""}) {
    EXPECT_FALSE(HostEtcAllows(path)) << path;
  }
}

TEST(HostEtc, WhatToolsNeedIsAllowed) {
  for (const char* path : {"ld.so.cache", "ld.so.conf.d/libc.conf", "alternatives/cc", "localtime",
                           "ssl/certs/ca-certificates.crt", "ssl/openssl.cnf", "python3/x",
                           "python3.11/a/b", "java-17-openjdk/security/policy"}) {
    EXPECT_TRUE(HostEtcAllows(path)) << path;
  }
}

TEST(HostEtc, LinksMustLeadToUsrOrStayInEtc) {
  EXPECT_TRUE(HostEtcLinkStaysIn("alternatives/cc", "/usr/bin/gcc"));
  EXPECT_TRUE(HostEtcLinkStaysIn("os-release", "../usr/lib/os-release"));
  EXPECT_TRUE(HostEtcLinkStaysIn("perl/x", "../ld.so.conf"));
  EXPECT_FALSE(HostEtcLinkStaysIn("alternatives/x", "/opt/tool/bin/x"));
  EXPECT_FALSE(HostEtcLinkStaysIn("alternatives/x", "/usr/../root/x"));
  EXPECT_FALSE(HostEtcLinkStaysIn("alternatives/x", "../../root/x"));
  EXPECT_FALSE(HostEtcLinkStaysIn("x", "../../../root"));
  EXPECT_FALSE(HostEtcLinkStaysIn("x", "/"));
  EXPECT_FALSE(HostEtcLinkStaysIn("x", ""));
}

// Files of this test are root's only when root runs it.
class HostEtcCopyTest : public testing::Test {
 protected:
  HostEtcCopyTest() {
    std::string path = testing::TempDir() + "/etc.XXXXXX";
    directory_ = ::mkdtemp(path.data());
    std::filesystem::create_directories(directory_ + "/from/perl");
    std::filesystem::create_directory(directory_ + "/to");
    std::ofstream(directory_ + "/from/perl/public") << "x";
    std::ofstream(directory_ + "/from/perl/private") << "secret";
    std::ofstream(directory_ + "/from/shadow") << "secret";
    ::chmod((directory_ + "/from/perl/private").c_str(), 0600);
    std::filesystem::create_symlink("/root/.ssh", directory_ + "/from/perl/out");
    from_.Reset(::open((directory_ + "/from").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    to_.Reset(::open((directory_ + "/to").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~HostEtcCopyTest() override { std::filesystem::remove_all(directory_); }
  bool Copied(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(directory_ + "/to/" + path));
  }
  std::string directory_;
  UniqueFd from_, to_;
};

TEST_F(HostEtcCopyTest, OnlyPublicAllowedFilesOfRootAreCopied) {
  ASSERT_TRUE(CopyHostEtc(from_.get(), to_.get(), {}).ok());
  EXPECT_EQ(Copied("perl/public"), ::geteuid() == 0);
  EXPECT_FALSE(Copied("perl/private"));
  EXPECT_FALSE(Copied("perl/out"));
  EXPECT_FALSE(Copied("shadow"));
}

TEST_F(HostEtcCopyTest, FileOverTheLimitIsSkipped) {
  ASSERT_TRUE(CopyHostEtc(from_.get(), to_.get(), {.file_bytes_max = 0}).ok());
  EXPECT_FALSE(Copied("perl/public"));
}

}  // namespace
}  // namespace glovebox
