#include "policy/credential_header.h"

#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace glovebox {
namespace {

constexpr char kSecret[] = "s3cr3t:token";

TEST(CredentialHeader, AHeaderHasTheSecretBehindItsPrefix) {
  const CredentialHeader header({"token", "X-Api-Key", "", ""}, SecretValue(kSecret));
  EXPECT_EQ(header.name(), "X-Api-Key");
  EXPECT_EQ(header.value(), kSecret);
  EXPECT_EQ(
      CredentialHeader({"token", "Authorization", "", "token "}, SecretValue(kSecret)).value(),
      "token s3cr3t:token");
}

// RFC 7617, 2: "Aladdin", "open sesame".
TEST(CredentialHeader, AUserMakesItBasicAuthentication) {
  const CredentialHeader header({"token", "", "Aladdin", ""}, SecretValue("open sesame"));
  EXPECT_EQ(header.name(), "Authorization");
  EXPECT_EQ(header.value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(CredentialHeader, IsFoundInWhatAnOriginSaysBack) {
  const CredentialHeader plain({"token", "X-Api-Key", "", ""}, SecretValue(kSecret));
  EXPECT_TRUE(plain.IsIn("you sent s3cr3t:token, twice: s3cr3t:token"));
  EXPECT_EQ(plain.WithoutIt("you sent s3cr3t:token, twice: s3cr3t:token"),
            "you sent [secret], twice: [secret]");
  EXPECT_FALSE(plain.IsIn("s3cr3t token"));
  EXPECT_EQ(plain.WithoutIt("s3cr3t token"), "s3cr3t token");
  const CredentialHeader basic({"token", "", "Aladdin", ""}, SecretValue("open sesame"));
  EXPECT_EQ(basic.WithoutIt("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== is open sesame"),
            "Basic [secret] is [secret]");
}

TEST(CredentialHeader, WhatARequestGotMustBeWhatItWouldGet) {
  const CredentialHeader bearer({"token", "Authorization", "", "Bearer "}, SecretValue(kSecret));
  const CredentialHeader same({"other", "Authorization", "", "Bearer "}, SecretValue(kSecret));
  const CredentialHeader elsewhere({"token", "X-Api-Key", "", "Bearer "}, SecretValue(kSecret));
  const CredentialHeader another({"token", "Authorization", "", "Bearer "}, SecretValue("another"));
  EXPECT_TRUE(CredentialHeader::Fits(&bearer, &same));
  EXPECT_FALSE(CredentialHeader::Fits(&bearer, &elsewhere));
  EXPECT_FALSE(CredentialHeader::Fits(&bearer, &another));
  EXPECT_FALSE(CredentialHeader::Fits(&bearer, nullptr));
  EXPECT_TRUE(CredentialHeader::Fits(nullptr, &bearer)) << "it got nothing that it must not have";
  EXPECT_TRUE(CredentialHeader::Fits(nullptr, nullptr));
}

TEST(CredentialHeader, OnlyWhatFitsIntoAHeaderFieldIsASecret) {
  EXPECT_TRUE(CheckSecretBytes("12345678").ok());
  EXPECT_TRUE(CheckSecretBytes("p\xc3\xa4sswort").ok());
  EXPECT_TRUE(CheckSecretBytes(std::string(kSecretBytesMax, 'x')).ok());
  for (const std::string& wrong :
       {std::string(), std::string("1234567"), std::string(kSecretBytesMax + 1, 'x'),
        std::string("12345678\n"), std::string("1234\r\nHost: x"),
        std::string("1234\0"
                    "5678",
                    9),
        std::string("1234567\x7f"), std::string(" 12345678"), std::string("12345678 ")}) {
    const absl::Status status = CheckSecretBytes(wrong);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(status.message().find("1234"), std::string::npos) << "its bytes are not told";
  }
}

TEST(SecretValue, IsComparedWhole) {
  const SecretValue value(kSecret);
  EXPECT_TRUE(value.Is(kSecret));
  EXPECT_FALSE(value.Is("s3cr3t:tokem"));
  EXPECT_FALSE(value.Is("s3cr3t:toke"));
  EXPECT_FALSE(value.Is(""));
  EXPECT_TRUE(SecretValue().Is(""));
}

TEST(SecretValue, ALongStringIsZeroedToItsLastByte) {
  std::string text(100, 'x');
  text.resize(40);
  Wipe(&text);
  EXPECT_TRUE(text.empty());
  text.resize(100);
  EXPECT_EQ(text, std::string(100, 0)) << "the same storage";
}

}  // namespace
}  // namespace glovebox
