#include "daemon/audit_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "linux/file_io.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

RpcEnd Call(const char* method, absl::Status status = absl::OkStatus()) {
  RpcEnd end;
  end.method = method;
  end.status = std::move(status);
  end.caller.principal = "uid:1000";
  end.caller.pid = 77;
  return end;
}

TEST(AuditLine, WhatAClientWroteStaysOneLineOfJson) {
  RpcEnd end = Call("ExecService/StartExec", absl::NotFoundError("x"));
  end.reason = "SANDBOX_NOT_FOUND";
  end.sandbox_id = "a\n{\"principal\":\"uid:0\"}\x1b[2J";
  end.exec_id = std::string(5000, 'x');
  end.arguments = "echo \xff\n\"";
  const std::string line = FormatAuditLine(end, absl::UnixEpoch());
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["time"], "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(json["principal"], "uid:1000");
  EXPECT_EQ(json["pid"], 77);
  EXPECT_EQ(json["outcome"], "NOT_FOUND");
  EXPECT_EQ(json["reason"], "SANDBOX_NOT_FOUND");
  EXPECT_LT(json["exec"].get<std::string>().size(), 300U);
  EXPECT_EQ(json["sandbox"].get<std::string>().find('\x1b'), std::string::npos);
}

TEST(AuditLine, OnlyCallsThatAreKnownToReadAreLeftOut) {
  EXPECT_FALSE(ChangesState("SandboxService/ListSandboxes"));
  EXPECT_FALSE(ChangesState("ExecService/AttachExec"));
  EXPECT_TRUE(ChangesState("SandboxService/CreateSandbox"));
  EXPECT_TRUE(ChangesState("ExecService/WriteStdin"));
  EXPECT_TRUE(ChangesState("SomeService/ThatComesLater"));
}

class AuditLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<AuditLog> Open(uint64_t bytes_max = 1 << 20, uint32_t files_max = 3) const {
    auto log = AuditLog::Open({path_, bytes_max, files_max});
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }
  std::string Read(const std::string& suffix = "") const {
    return ReadFileAt(AT_FDCWD, path_ + suffix, 1 << 20).value_or("absent");
  }
  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/audit.log";
};

TEST_F(AuditLogTest, IsPrivateGoesOnAfterARestartAndKeepsReadsAndFloodsOut) {
  Open()->Write(Call("SandboxService/CreateSandbox"));
  {
    const auto log = Open();
    log->Write(Call("SandboxService/GetSandbox"));
    RpcEnd flood = Call("SandboxService/DeleteSandbox", absl::ResourceExhaustedError(""));
    flood.reason = "CLIENT_RATE";
    log->Write(flood);
    RpcEnd later = Call("SandboxService/DeleteSandbox");
    later.refused_before = 41;
    log->Write(later);
  }
  const std::vector<std::string> lines = absl::StrSplit(Read(), '\n');
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["method"], "SandboxService/CreateSandbox");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["refused_before"], 41);
  struct stat found {};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(AuditLogTest, FullFilesAreRenamedAndTheOldestGoes) {
  const auto log = Open(/*bytes_max=*/300, /*files_max=*/3);
  for (int i = 0; i < 40; ++i) {
    RpcEnd end = Call("SandboxService/DeleteSandbox");
    end.sandbox_id = absl::StrCat("s", i);
    log->Write(end);
  }
  EXPECT_NE(Read().find("\"s39\""), std::string::npos);
  EXPECT_NE(Read(".1"), "absent");
  EXPECT_NE(Read(".2"), "absent");
  EXPECT_EQ(Read(".3"), "absent");
  for (const char* suffix : {"", ".1", ".2"}) EXPECT_LE(Read(suffix).size(), 300U);
}

TEST_F(AuditLogTest, AStartNamesThePoliciesThatAreInForce) {
  Open()->WriteStart("1.2.3", {{"seccomp_build", "sha256:ab"}});
  const auto line = nlohmann::json::parse(Read());
  EXPECT_EQ(line["event"], "start");
  EXPECT_EQ(line["version"], "1.2.3");
  EXPECT_EQ(line["policies"]["seccomp_build"], "sha256:ab");
}

TEST_F(AuditLogTest, LinksAndFilesThatOthersCanReadAreRefused) {
  ASSERT_EQ(::symlink("/dev/null", path_.c_str()), 0);
  EXPECT_FALSE(AuditLog::Open({path_}).ok());
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  Open()->Write(Call("SandboxService/CreateSandbox"));
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(AuditLog::Open({path_}).status()));
}

}  // namespace
}  // namespace glovebox
