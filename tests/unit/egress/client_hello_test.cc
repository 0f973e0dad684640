#include "egress/client_hello.h"

#include <gtest/gtest.h>

#include "tests/unit/egress/hello_text.h"

namespace glovebox {
namespace {

using State = ClientHelloReader::State;
using hello::Extension;
using hello::Message;
using hello::NameEntry;
using hello::Number;
using hello::Records;
using hello::ServerName;
using hello::Vector;

struct Read {
  State state;
  std::string name;
  bool encrypted;
  std::string why;
};

Read ReadIn(absl::string_view bytes, size_t cut) {
  ClientHelloReader reader;
  State state = State::kMore;
  for (size_t i = 0; i < bytes.size(); i += cut) state = reader.Feed(bytes.substr(i, cut));
  return {state, reader.server_name().has_value() ? reader.server_name()->value() : "",
          reader.encrypted(), reader.why()};
}

Read ReadAll(absl::string_view bytes) { return ReadIn(bytes, bytes.size()); }

TEST(ClientHello, ItsNameIsRead) {
  const Read read = ReadAll(Records(Message(ServerName("PyPI.org") + Extension(43, "xx"))));
  EXPECT_EQ(read.state, State::kDone) << read.why;
  EXPECT_EQ(read.name, "pypi.org");
  EXPECT_FALSE(read.encrypted);
}

TEST(ClientHello, RecordsAndSegmentsOfAnySizeAreReadTheSameWay) {
  const std::string message = Message(Extension(21, std::string(3000, 0)) + ServerName("pypi.org"));
  for (const size_t record : {size_t{1}, size_t{7}, size_t{400}, size_t{16384}}) {
    for (const size_t cut : {size_t{1}, size_t{5}, size_t{1448}}) {
      const Read read = ReadIn(Records(message, record), cut);
      EXPECT_EQ(read.state, State::kDone) << record << " " << cut << " " << read.why;
      EXPECT_EQ(read.name, "pypi.org");
    }
  }
}

TEST(ClientHello, NothingIsSaidBeforeItsLastByte) {
  const std::string records = Records(Message(ServerName("pypi.org")), 50);
  for (size_t size = 0; size < records.size(); ++size) {
    EXPECT_EQ(ReadAll(absl::string_view(records).substr(0, size)).state, State::kMore) << size;
  }
  EXPECT_EQ(ReadAll(records + "\x14\x03\x03").state, State::kDone)
      << "what follows is another message";
}

TEST(ClientHello, WithoutAnyNameItHasNone) {
  const Read read = ReadAll(Records(Message(Extension(43, "xx"))));
  EXPECT_EQ(read.state, State::kDone);
  EXPECT_EQ(read.name, "");
}

TEST(ClientHello, WhatTwoParsersCouldReadDifferentlyIsRefused) {
  const std::string good = ServerName("a.example");
  const std::pair<const char*, std::string> cases[] = {
      {"extension twice", Records(Message(good + ServerName("b.example")))},
      {"another twice", Records(Message(good + Extension(43, "") + Extension(43, "")))},
      {"two names",
       Records(Message(Extension(0, Vector(2, NameEntry("a.example") + NameEntry("b.example")))))},
      {"no names", Records(Message(Extension(0, Vector(2, ""))))},
      {"an empty extension", Records(Message(Extension(0, "")))},
      {"an empty name", Records(Message(ServerName("")))},
      {"another kind of name",
       Records(Message(Extension(0, Vector(2, Number(1, 1) + Vector(2, "a.example")))))},
      {"bytes behind the list",
       Records(Message(Extension(0, Vector(2, NameEntry("a.example")) + "x")))},
      {"NUL", Records(Message(ServerName(std::string("a.example\0.b", 12))))},
      {"address", Records(Message(ServerName("127.0.0.1")))},
      {"IPv6 address", Records(Message(ServerName("::1")))},
      {"dot at the end", Records(Message(ServerName("a.example.")))},
      {"bytes behind the extensions", Records(Message(good, "x"))},
      {"bytes behind the hello", Records(Message(good) + "x")},
      {"an extension beyond", Records(Message(good + Number(2, 43) + Number(2, 9) + "x"))},
      {"record without bytes",
       Records(Message(good), 40).substr(0, 45) + Number(1, 22) + Number(2, 0x301) + Number(2, 0)},
      {"another record between", Records(Message(good), 40).substr(0, 45) + Number(1, 21)},
      {"record too long", Number(1, 22) + Number(2, 0x301) + Number(2, 16385)},
      {"another message", Records(Number(1, 2) + Vector(3, "xx"))},
      {"version", std::string("\x16\x02", 2)},
  };
  for (const auto& [what, bytes] : cases) {
    const Read read = ReadAll(bytes);
    EXPECT_EQ(read.state, State::kRefused) << what;
    EXPECT_NE(read.why, "") << what;
  }
}

TEST(ClientHello, AnEncryptedOneInsideIsSeen) {
  for (const uint16_t type : {uint16_t{0xfe0d}, uint16_t{0xffce}}) {
    const Read read = ReadAll(Records(Message(ServerName("a.example") + Extension(type, "xyz"))));
    EXPECT_EQ(read.state, State::kDone);
    EXPECT_TRUE(read.encrypted);
  }
}

TEST(ClientHello, ItHasAnEnd) {
  const std::string large =
      Records(Message(Extension(21, std::string(40'000, 0)) + ServerName("a.example")));
  EXPECT_EQ(ReadAll(large).state, State::kRefused);
  EXPECT_EQ(ReadAll(Records(Number(1, 1) + Number(3, 0xffffff))).state, State::kRefused)
      << "told ahead";
  const std::string room =
      Records(Message(Extension(21, std::string(30'000, 0)) + ServerName("a.example")));
  EXPECT_EQ(ReadAll(room).name, "a.example");
}

TEST(ClientHello, OtherProtocolsAreNotTls) {
  for (const char* bytes : {"GET / HTTP/1.1\r\n", "SSH-2.0-x", "\x80\x2e\x01"}) {
    EXPECT_EQ(ReadAll(bytes).state, State::kNotTls);
  }
}

TEST(ClientHello, ProtocolsThatItOffersAreRead) {
  const auto offers = [](const std::string& list) {
    ClientHelloReader reader;
    const State state = reader.Feed(Records(Message(Extension(16, Vector(2, list)))));
    return std::to_string(static_cast<int>(state)) + (reader.offers_http2() ? " 2" : "") +
           (reader.offers_http1() ? " 1" : "");
  };
  const std::string done = std::to_string(static_cast<int>(State::kDone));
  const std::string refused = std::to_string(static_cast<int>(State::kRefused));
  EXPECT_EQ(offers(Vector(1, "h2") + Vector(1, "http/1.1")), done + " 2 1");
  EXPECT_EQ(offers(Vector(1, "http/1.1") + Vector(1, "http/1.0")), done + " 1");
  EXPECT_EQ(offers(Vector(1, "h2c") + Vector(1, "h3")), done);
  EXPECT_EQ(offers(Vector(1, "h2") + std::string(1, '\0')), refused + " 2");
  EXPECT_EQ(offers(""), refused);
  EXPECT_EQ(offers("\x09h2"), refused);
}

}  // namespace
}  // namespace glovebox
