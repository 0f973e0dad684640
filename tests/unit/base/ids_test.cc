#include "base/ids.h"

#include <set>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(IdsTest, NewIdsParseAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewRandomId();
    ASSERT_TRUE(ParseSandboxId(id).ok()) << id;
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
}

TEST(IdsTest, SandboxIdIsExactly32LowerCaseHexDigits) {
  const std::string good = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(ParseSandboxId(good).value_or(""), good);
  EXPECT_FALSE(ParseSandboxId("").ok());
  EXPECT_FALSE(ParseSandboxId(good.substr(1)).ok());
  EXPECT_FALSE(ParseSandboxId(good + "0").ok());
  EXPECT_FALSE(ParseSandboxId("0123456789ABCDEF0123456789abcdef").ok());
  EXPECT_FALSE(ParseSandboxId("../../../../../../../../../etc/pw").ok());
  EXPECT_FALSE(ParseSandboxId(std::string("0123456789abcdef0123456789abcde\0", 32)).ok());
}

TEST(IdsTest, ClientNameAllowsDotsInsideOnly) {
  for (const char* good : {"a", "0", "debian", "exec-1", "a.b_c-d", "v1.2.3"}) {
    EXPECT_EQ(ParseClientName(good, "exec_id").value_or(""), good);
  }
  for (const char* bad : {"", ".", "..", ".a", "a.", "-a", "a-", "_a", "A", "a/b", "a b", "a\n",
                          "\xc3\xa9", "a\x1b[0m"}) {
    EXPECT_FALSE(ParseClientName(bad, "exec_id").ok()) << bad;
  }
}

TEST(IdsTest, ClientNameHas63BytesAtMost) {
  EXPECT_TRUE(ParseClientName(std::string(63, 'a'), "exec_id").ok());
  EXPECT_FALSE(ParseClientName(std::string(64, 'a'), "exec_id").ok());
}

TEST(IdsTest, ErrorNamesTheFieldAndShowsTheValueEscapedAndShort) {
  const std::string hostile = "\x1b[2J" + std::string(10'000, 'x');
  const absl::Status status = ParseClientName(hostile, "image").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 300u);
  EXPECT_EQ(message.rfind("image ", 0), 0u) << message;
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "INVALID_FIELD");
  EXPECT_EQ(detail->metadata.at("field"), "image");
}

TEST(IdsTest, DigestIsSha256InLowerCaseHex) {
  const std::string hex(64, 'a');
  EXPECT_EQ(ParseDigest("sha256:" + hex).value_or(""), "sha256:" + hex);
  EXPECT_FALSE(ParseDigest(hex).ok());
  EXPECT_FALSE(ParseDigest("sha512:" + hex).ok());
  EXPECT_FALSE(ParseDigest("sha256:" + hex + "a").ok());
  EXPECT_FALSE(ParseDigest("sha256:" + std::string(64, 'A')).ok());
  EXPECT_FALSE(ParseDigest("sha256:" + std::string(62, 'a') + "/.").ok());
}

}  // namespace
}  // namespace glovebox
