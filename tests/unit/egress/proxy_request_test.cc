#include <gtest/gtest.h>

#include "egress/destination.h"
#include "egress/socks5.h"
#include "tests/unit/egress/hello_text.h"

namespace glovebox {
namespace {

using hello::Number;
using hello::Vector;
using State = Socks5Parsed::State;

std::string Text(const absl::StatusOr<Destination>& destination) {
  if (!destination.ok()) return "refused";
  return destination->Host() + " " + std::to_string(destination->port) +
         (destination->name.has_value() ? " name" : " address");
}

TEST(Authorities, AreAHostAndAPort) {
  EXPECT_EQ(Text(ParseAuthority("PyPI.org:443", 0)), "pypi.org 443 name");
  EXPECT_EQ(Text(ParseAuthority("pypi.org", 80)), "pypi.org 80 name");
  EXPECT_EQ(Text(ParseAuthority("192.0.2.1:80", 0)), "192.0.2.1 80 address");
  EXPECT_EQ(Text(ParseAuthority("[2001:db8::1]:80", 0)), "2001:db8::1 80 address");
  EXPECT_EQ(Text(ParseAuthority("[2001:db8::1]", 80)), "2001:db8::1 80 address");
  EXPECT_EQ(Text(ParseAuthority("localhost.:22", 0)), "localhost 22 name");
}

TEST(Authorities, OtherSpellingsAreRefused) {
  for (const std::string& text : {std::string(),
                                  std::string("pypi.org"),
                                  std::string(":443"),
                                  std::string("pypi.org:"),
                                  std::string("a:0"),
                                  std::string("a:65536"),
                                  std::string("a:+80"),
                                  std::string("a: 80"),
                                  std::string("a:80 "),
                                  std::string("a:80:80"),
                                  std::string("a:0x50"),
                                  std::string("user@a:80"),
                                  std::string("a/b:80"),
                                  std::string("2001:db8::1:80"),
                                  std::string("[2001:db8::1:80"),
                                  std::string("[192.0.2.1]:80"),
                                  std::string("[a.example]:80"),
                                  std::string("[::1%25lo]:80"),
                                  std::string("0x7f000001:80"),
                                  std::string("2130706433:80"),
                                  std::string("127.1:80"),
                                  std::string("a\0.b:80", 7),
                                  std::string("a%2e:80"),
                                  std::string("a#:80"),
                                  std::string("a\\b:80"),
                                  std::string(" a:80"),
                                  std::string("a,b:80")}) {
    EXPECT_EQ(Text(ParseAuthority(text, 0)), "refused") << text;
  }
}

TEST(AbsoluteUris, AreTakenApart) {
  const auto uri = ParseAbsoluteUri("http://Deb.Example/a/b?c=d");
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_EQ(uri->destination.Host(), "deb.example");
  EXPECT_EQ(uri->destination.port, 80);
  EXPECT_EQ(uri->target, "/a/b?c=d");
  EXPECT_EQ(ParseAbsoluteUri("HTTP://a.example:8080")->target, "/");
  EXPECT_EQ(ParseAbsoluteUri("http://a.example?x")->target, "/?x");
}

TEST(AbsoluteUris, WhatHidesAnotherHostIsRefused) {
  for (const char* text :
       {"https://a.example/", "ftp://a.example/", "a.example/", "//a.example/", "http:/a.example/",
        "http://", "http://a.example@b.example/", "http://a.example\\@b.example/", "http://127.1/",
        "http://a.example:80@b.example/", "http:///a.example/", "http://[::1/"}) {
    EXPECT_FALSE(ParseAbsoluteUri(text).ok()) << text;
  }
}

TEST(Socks5, AGreetingWithoutPasswordIsGranted) {
  const std::string greeting = Number(1, 5) + Vector(1, std::string("\x02\x00", 2));
  for (size_t size = 0; size < greeting.size(); ++size) {
    EXPECT_EQ(ParseSocks5Greeting(greeting.substr(0, size)).state, State::kMore);
  }
  EXPECT_EQ(ParseSocks5Greeting(greeting + "more").bytes, greeting.size());
  EXPECT_EQ(ParseSocks5Greeting(Number(1, 5) + Vector(1, "\x02")).state, State::kRefused);
  EXPECT_EQ(ParseSocks5Greeting("\x04").state, State::kRefused);
  EXPECT_EQ(ParseSocks5Greeting("GET").state, State::kRefused);
}

TEST(Socks5, ARequestNamesADestination) {
  const std::pair<std::string, const char*> cases[] = {
      {Number(4, 0x05010003) + Vector(1, "PyPI.org") + Number(2, 443), "pypi.org 443 name"},
      {Number(4, 0x05010003) + Vector(1, "127.0.0.1") + Number(2, 443), "127.0.0.1 443 address"},
      {Number(4, 0x05010001) + Number(4, 0x08080808) + Number(2, 53), "8.8.8.8 53 address"},
      {Number(4, 0x05010004) + std::string("\x20\x01", 2) + std::string(13, 0) + "\x05" +
           Number(2, 53),
       "2001::5 53 address"},
  };
  for (const auto& [bytes, text] : cases) {
    std::optional<Destination> destination;
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(ParseSocks5Request(bytes.substr(0, size), &destination).state, State::kMore)
          << text;
    }
    const Socks5Parsed parsed = ParseSocks5Request(bytes + "early data", &destination);
    EXPECT_EQ(parsed.state, State::kDone) << text;
    EXPECT_EQ(parsed.bytes, bytes.size());
    ASSERT_TRUE(destination.has_value());
    EXPECT_EQ(Text(*destination), text);
  }
}

TEST(Socks5, OtherRequestsAreRefusedWithTheirCode) {
  const std::pair<std::string, Socks5Code> cases[] = {
      {Number(4, 0x05020003) + Vector(1, "a.example") + Number(2, 1), Socks5Code::kCommandUnknown},
      {Number(4, 0x05030001) + Number(4, 0) + Number(2, 0), Socks5Code::kCommandUnknown},
      {Number(4, 0x05010009) + Number(4, 0), Socks5Code::kAddressUnknown},
      {Number(4, 0x05010103), Socks5Code::kFailure},
      {Number(4, 0x05010003) + Vector(1, "a.example") + Number(2, 0), Socks5Code::kFailure},
      {Number(4, 0x05010003) + Vector(1, "") + Number(2, 80), Socks5Code::kNotAllowed},
      {Number(4, 0x05010003) + Vector(1, "0x7f000001") + Number(2, 80), Socks5Code::kNotAllowed},
      {Number(4, 0x05010003) + Vector(1, std::string("a\0.b", 4)) + Number(2, 80),
       Socks5Code::kNotAllowed},
  };
  for (const auto& [bytes, code] : cases) {
    std::optional<Destination> destination;
    const Socks5Parsed parsed = ParseSocks5Request(bytes, &destination);
    EXPECT_EQ(parsed.state, State::kRefused);
    EXPECT_EQ(parsed.code, code);
    EXPECT_FALSE(destination.has_value());
  }
  EXPECT_EQ(Socks5Reply(Socks5Code::kNotAllowed), std::string("\x05\x02\0\x01\0\0\0\0\0\0", 10));
}

}  // namespace
}  // namespace glovebox
