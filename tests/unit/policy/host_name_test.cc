#include "policy/host_name.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

TEST(HostNames, HaveOneSpelling) {
  for (const char* text : {"pypi.org", "PyPI.org", "pypi.org.", "PYPI.ORG."}) {
    const auto name = HostName::Parse(text);
    ASSERT_TRUE(name.ok()) << text << name.status();
    EXPECT_EQ(name->value(), "pypi.org");
  }
  for (const char* text :
       {"localhost", "_dmarc.example.com", "my_bucket.s3.example", "xn--bcher-kva.example",
        "a-b--c.example", "1.2.3.4.example", "3com.com", "0xy.example", "a"}) {
    EXPECT_TRUE(HostName::Parse(text).ok()) << text;
  }
}

TEST(HostNames, WhatSomeProgramTakesForAnAddressIsNone) {
  for (const char* text :
       {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "1.2.3.4.",
        "example.0x", "example.0xff", "example.7", "::1", "[::1]", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(HostName::Parse(text).ok()) << text;
  }
}

TEST(HostNames, WhatTwoProgramsReadDifferentlyIsNone) {
  for (const std::string& text : {std::string(),
                                  std::string("."),
                                  std::string("a..b"),
                                  std::string(".a"),
                                  std::string("a.."),
                                  std::string("a\0.example", 10),
                                  std::string("a b"),
                                  std::string("a\n"),
                                  std::string("a%2eexample"),
                                  std::string("a#b"),
                                  std::string("user@a"),
                                  std::string("a\\b"),
                                  std::string("a/b"),
                                  std::string("a:80"),
                                  std::string("-a.example"),
                                  std::string("a-.example"),
                                  std::string("b\xc3\xbc"
                                              "cher.example"),
                                  std::string("\xef\xbd\x81.example"),
                                  std::string("*.example.com"),
                                  std::string("a,b")}) {
    const auto name = HostName::Parse(text);
    ASSERT_FALSE(name.ok()) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(name.status()));
    EXPECT_EQ(GetErrorDetail(name.status())->reason, "INVALID_FIELD");
  }
}

TEST(HostNames, LengthsHaveLimits) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), HostName::kBytesMax);
  EXPECT_TRUE(HostName::Parse(longest).ok());
  EXPECT_TRUE(HostName::Parse(longest + ".").ok());
  EXPECT_FALSE(HostName::Parse(longest + "b").ok());
  EXPECT_FALSE(HostName::Parse(label + "a.example").ok());
}

TEST(HostPatterns, AreANameOrAllBelowOne) {
  const auto one = HostPattern::Parse("Example.COM");
  ASSERT_TRUE(one.ok());
  EXPECT_FALSE(one->below);
  EXPECT_EQ(one->Text(), "example.com");
  const auto below = HostPattern::Parse("*.Example.com.");
  ASSERT_TRUE(below.ok());
  EXPECT_TRUE(below->below);
  EXPECT_EQ(below->Text(), "*.example.com");
}

TEST(HostPatterns, NeitherEverythingNorARegistryIsOne) {
  for (const char* text : {"*", "*.", "*.com", "**.example.com", "a.*.example.com", "*example.com",
                           "*.*.example.com", "*.10.0.0.1", "192.0.2.1", ""}) {
    EXPECT_FALSE(HostPattern::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace glovebox
