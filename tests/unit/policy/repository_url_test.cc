#include "policy/repository_url.h"

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "base/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

absl::StatusOr<RepositoryUrl> Parse(absl::string_view text) {
  return RepositoryUrl::Parse(text, "url");
}

std::string ReasonOf(absl::string_view text) {
  const auto detail = GetErrorDetail(Parse(text).status());
  return detail.has_value() ? detail->reason : "";
}

TEST(RepositoryUrl, HasOneSpelling) {
  const struct {
    const char* text;
    const char* normal;
  } kSame[] = {
      {"https://git.example/a/b.git", "https://git.example/a/b.git"},
      {"HTTPS://Git.Example.:443/a/b.git/", "https://git.example/a/b.git"},
      {"https://git.example:8443/~a/b", "https://git.example:8443/~a/b"},
      {"git://git.example:9418/a", "git://git.example/a"},
      {"git://git.example:443/a", "git://git.example:443/a"},
      {"https://localhost/a%20b%c3%a9", "https://localhost/a%20b%C3%A9"},
      {"https://git.example/@scope/a+b", "https://git.example/@scope/a+b"},
      {"https://xn--bcher-kva.example/a", "https://xn--bcher-kva.example/a"},
  };
  for (const auto& [text, normal] : kSame) {
    const auto url = Parse(text);
    ASSERT_TRUE(url.ok()) << text << ": " << url.status();
    EXPECT_EQ(url->text, normal);
    EXPECT_EQ(Parse(url->text)->text, normal);
  }
}

TEST(RepositoryUrl, HostAndPortAreThoseOfTheRule) {
  const auto https = Parse("https://Git.example/a");
  const auto git = Parse("git://git.example/a");
  const auto other = Parse("https://git.example:8443/a");
  ASSERT_TRUE(https.ok() && git.ok() && other.ok());
  EXPECT_EQ(https->host.value(), "git.example");
  EXPECT_EQ(https->port, 443);
  EXPECT_EQ(https->scheme, RepositoryUrl::Scheme::kHttps);
  EXPECT_EQ(git->port, 9418);
  EXPECT_EQ(git->scheme, RepositoryUrl::Scheme::kGit);
  EXPECT_EQ(other->port, 8443);
}

TEST(RepositoryUrl, SshIsNotServed) {
  for (const char* text : {"ssh://git.example/a", "git@git.example:a/b.git", "git.example:a",
                           "ssh://git@git.example:22/a", "git+ssh://git.example/a"}) {
    EXPECT_EQ(ReasonOf(text), "FIELD_NOT_SERVED") << text;
    EXPECT_EQ(Parse(text).status().code(), absl::StatusCode::kUnimplemented) << text;
  }
}

TEST(RepositoryUrl, WhatIsNoPlaceOfARepositoryIsRefused) {
  for (const std::string& text : {std::string(),
                                  std::string("http://git.example/a"),
                                  std::string("file:///srv/a"),
                                  std::string("/srv/a"),
                                  std::string("ext::sh -c id"),
                                  std::string("ext::sh"),
                                  std::string("fd::7"),
                                  std::string("-uhttps://git.example/a"),
                                  std::string("--upload-pack=id"),
                                  std::string("-x:a"),
                                  std::string("ftp://git.example/a"),
                                  std::string("https:git.example/a"),
                                  std::string("https:///a"),
                                  std::string("https://"),
                                  std::string("https://git.example"),
                                  std::string("https://git.example/"),
                                  std::string("https://git.example//a"),
                                  std::string("https://git.example/a//b"),
                                  std::string("https://git.example/a/../b"),
                                  std::string("https://git.example/./a"),
                                  std::string("https://git.example/%2e%2e/a"),
                                  std::string("https://git.example/a%2fb"),
                                  std::string("https://git.example/a%00b"),
                                  std::string("https://git.example/a%0ab"),
                                  std::string("https://git.example/a%"),
                                  std::string("https://git.example/a%4"),
                                  std::string("https://git.example/%61"),
                                  std::string("https://git.example/a?b"),
                                  std::string("https://git.example/a#b"),
                                  std::string("https://git.example/a\\b"),
                                  std::string("https://git.example/a b"),
                                  std::string("https://git.example/a\nb"),
                                  std::string("https://git.example/\x1b[2J"),
                                  std::string("https://git.example/\xff"),
                                  std::string("https://git.example/a\0b", 23),
                                  std::string("https://git.example:/a"),
                                  std::string("https://git.example:0/a"),
                                  std::string("https://git.example:0443/a"),
                                  std::string("https://git.example:65536/a"),
                                  std::string("https://git.example:+1/a"),
                                  std::string("https://10.0.0.5/a"),
                                  std::string("https://2130706433/a"),
                                  std::string("https://[::1]/a"),
                                  std::string("https://b\xc3\xbc.example/a"),
                                  std::string("https://git..example/a"),
                                  std::string("https://git.example%2f/a"),
                                  std::string("https://-git.example/a"),
                                  "https://git.example/" + std::string(2048, 'a')}) {
    EXPECT_EQ(ReasonOf(text), "INVALID_FIELD") << text;
  }
}

TEST(RepositoryUrl, APasswordIsRefusedAndNoErrorRepeatsIt) {
  for (const char* text :
       {"https://secret@git.example/a", "https://a:secret@git.example/a", "https://@git.example/a",
        "https://secret:x/y@git.example/a", "git://a:secret@git.example/a",
        "https://a:secret@git.example:99999/a", "http://a:secret@git.example/a",
        "https://git.example/a?token=secret", "a:secret@git.example:b", "ssh://a:secret@b/c",
        "https://git.example/a/../secret", "secret"}) {
    const absl::Status status = Parse(text).status();
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
    const std::optional<ErrorDetail> detail = GetErrorDetail(status);
    ASSERT_TRUE(detail.has_value());
    for (const auto& [key, value] : detail->metadata) {
      EXPECT_FALSE(absl::StrContains(value, "secret")) << key;
    }
  }
}

}  // namespace
}  // namespace glovebox
