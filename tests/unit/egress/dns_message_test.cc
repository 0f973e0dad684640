#include "egress/dns_message.h"

#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/unit/egress/hello_text.h"

namespace glovebox {
namespace {

using hello::Number;
using hello::Vector;

std::string Wire(absl::string_view name) {
  std::string wire;
  for (const absl::string_view label : absl::StrSplit(name, '.', absl::SkipEmpty()))
    wire += Vector(1, label);
  return wire + Number(1, 0);
}

struct Header {
  uint16_t flags = 0x0100;
  uint16_t counts[4] = {1, 0, 0, 0};
};

std::string Packet(const Header& header, absl::string_view body) {
  std::string packet = Number(2, 0xabcd) + Number(2, header.flags);
  for (const uint16_t count : header.counts) packet += Number(2, count);
  return packet + std::string(body);
}

std::string Question(absl::string_view name, uint16_t type = 1, uint16_t klass = 1) {
  return Wire(name) + Number(2, type) + Number(2, klass);
}

std::string Opt() {
  return Number(1, 0) + Number(2, 41) + Number(2, 1232) + Number(4, 0) + Number(2, 0);
}

TEST(DnsQueries, ANameAndATypeAreRead) {
  const DnsQuery query = ParseDnsQuery(Packet({}, Question("PyPI.org", 28)));
  EXPECT_EQ(query.verdict, DnsVerdict::kQuestion);
  EXPECT_EQ(query.id, 0xabcd);
  EXPECT_TRUE(query.recursion_desired);
  EXPECT_FALSE(query.edns);
  EXPECT_EQ(query.type, 28);
  ASSERT_TRUE(query.name.has_value());
  EXPECT_EQ(query.name->value(), "pypi.org");
}

TEST(DnsQueries, EdnsIsTolerated) {
  Header header;
  header.counts[3] = 1;
  EXPECT_TRUE(ParseDnsQuery(Packet(header, Question("a.example") + Opt())).edns);
  EXPECT_EQ(ParseDnsQuery(Packet(header, Question("a.example") + Opt() + "x")).verdict,
            DnsVerdict::kFormatError);
  EXPECT_EQ(ParseDnsQuery(Packet(header, Question("a.example"))).verdict, DnsVerdict::kFormatError);
  header.counts[3] = 2;
  EXPECT_EQ(ParseDnsQuery(Packet(header, Question("a.example") + Opt() + Opt())).verdict,
            DnsVerdict::kFormatError);
}

TEST(DnsQueries, WhatIsNoHostHasNoName) {
  const std::string dotted = Vector(1, "a.example") + Number(1, 0) + Number(2, 1) + Number(2, 1);
  const std::string nul =
      Vector(1, std::string("a\0b", 3)) + Number(1, 0) + Number(2, 1) + Number(2, 1);
  for (const std::string& question :
       {dotted, nul, Question(""), Question("1.0.0.127"), Question("a b.example")}) {
    const DnsQuery query = ParseDnsQuery(Packet({}, question));
    EXPECT_EQ(query.verdict, DnsVerdict::kQuestion);
    EXPECT_FALSE(query.name.has_value());
  }
}

TEST(DnsQueries, OtherPacketsAreRefusedOrDropped) {
  Header answer, update, two, none, with_answer;
  answer.flags = 0x8180;
  update.flags = 0x2800;
  two.counts[0] = 2;
  none.counts[0] = 0;
  with_answer.counts[1] = 1;
  const std::string question = Question("a.example");
  EXPECT_EQ(ParseDnsQuery(Packet(answer, question)).verdict, DnsVerdict::kDrop);
  EXPECT_EQ(ParseDnsQuery("short").verdict, DnsVerdict::kDrop);
  EXPECT_EQ(ParseDnsQuery(Packet({}, std::string(5000, 'x'))).verdict, DnsVerdict::kDrop);
  EXPECT_EQ(ParseDnsQuery(Packet(update, question)).verdict, DnsVerdict::kNotImplemented);
  for (const Header& header : {two, none, with_answer}) {
    EXPECT_EQ(ParseDnsQuery(Packet(header, question)).verdict, DnsVerdict::kFormatError);
  }
  EXPECT_EQ(ParseDnsQuery(Packet({}, question + "x")).verdict, DnsVerdict::kFormatError);
  EXPECT_EQ(ParseDnsQuery(Packet({}, question.substr(0, question.size() - 1))).verdict,
            DnsVerdict::kFormatError);
  EXPECT_EQ(ParseDnsQuery(Packet({}, "\xc0\x0c" + Number(4, 0x00010001))).verdict,
            DnsVerdict::kFormatError);
  EXPECT_EQ(ParseDnsQuery(Packet({}, Question("version.bind", 16, 3))).verdict,
            DnsVerdict::kRefused);
  const std::string label(63, 'a');
  EXPECT_EQ(
      ParseDnsQuery(Packet({}, Question(label + "." + label + "." + label + "." + label))).verdict,
      DnsVerdict::kFormatError);
}

TEST(DnsAnswers, APermittedNameHasItsAddress) {
  const DnsQuery query = ParseDnsQuery(Packet({}, Question("pYpI.oRg")));
  const std::string answer = DnsAnswer(query, DnsCode::kNoError, IpAddress::V4(0xc6120001));
  EXPECT_EQ(answer, Number(2, 0xabcd) + Number(2, 0x8580) + Number(2, 1) + Number(2, 1) +
                        Number(4, 0) + Question("pYpI.oRg") + Number(2, 0xc00c) + Number(2, 1) +
                        Number(2, 1) + Number(4, kDnsAnswerSeconds) + Number(2, 4) +
                        Number(4, 0xc6120001));
}

TEST(DnsAnswers, OtherTypesAreEmptyAndOtherNamesAreNot) {
  Header edns;
  edns.counts[3] = 1;
  const DnsQuery query = ParseDnsQuery(Packet(edns, Question("a.example", 65) + Opt()));
  EXPECT_EQ(DnsAnswer(query, DnsCode::kNoError, std::nullopt),
            Number(2, 0xabcd) + Number(2, 0x8580) + Number(2, 1) + Number(4, 0) + Number(2, 1) +
                Question("a.example", 65) + Opt());
  const std::string denied = DnsAnswer(query, DnsCode::kNoSuchName, IpAddress::V4(1));
  EXPECT_EQ(denied[3] & 0xf, 3);
  EXPECT_EQ(denied.substr(6, 2), Number(2, 0)) << "no address with it";
}

TEST(DnsAnswers, TheLongestIsShort) {
  const std::string label(63, 'a');
  Header edns;
  edns.counts[3] = 1;
  const DnsQuery query = ParseDnsQuery(Packet(
      edns, Question(label + "." + label + "." + label + "." + std::string(61, 'b')) + Opt()));
  ASSERT_TRUE(query.name.has_value());
  EXPECT_LE(DnsAnswer(query, DnsCode::kNoError, IpAddress::V4(1)).size(), kDnsAnswerBytesMax);
}

}  // namespace
}  // namespace glovebox
