#include "policy/ip_address.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace glovebox {
namespace {

IpAddress Address(const char* text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << text;
  return address.value_or(IpAddress());
}

IpRange Range(const char* text) {
  const auto range = IpRange::Parse(text);
  EXPECT_TRUE(range.ok()) << text << range.status();
  return range.value_or(IpRange());
}

TEST(IpAddresses, AreReadStrictly) {
  EXPECT_EQ(Address("192.0.2.1").V4HostOrder(), 0xc0000201u);
  EXPECT_EQ(Address("2001:DB8::1").Text(), "2001:db8::1");
  for (const std::string& text :
       {std::string(), std::string("127.1"), std::string("2130706433"), std::string("0x7f000001"),
        std::string("0177.0.0.1"), std::string("127.0.0.01"), std::string("1.2.3.4 "),
        std::string("1.2.3.4\0", 8), std::string("fe80::1%eth0"), std::string("[::1]"),
        std::string("1.2.3"), std::string(60, '1')}) {
    EXPECT_FALSE(IpAddress::Parse(text).ok()) << text;
  }
}

TEST(IpAddresses, AMappedOneIsUnmappedOnlyWhenAsked) {
  const IpAddress mapped = Address("::ffff:192.0.2.1");
  EXPECT_TRUE(mapped.is_v6);
  EXPECT_EQ(mapped.Unmapped(), Address("192.0.2.1"));
  EXPECT_EQ(Address("2001:db8::1").Unmapped(), Address("2001:db8::1"));
  EXPECT_NE(Address("::"), Address("0.0.0.0"));
}

TEST(IpRanges, AreReadStrictly) {
  EXPECT_EQ(Range("10.1.0.0/16").Text(), "10.1.0.0/16");
  EXPECT_TRUE(Range("10.1.0.0/16").Has(Address("10.1.255.255")));
  EXPECT_FALSE(Range("10.1.0.0/16").Has(Address("10.2.0.0")));
  EXPECT_TRUE(Range("0.0.0.0/0").Has(Address("255.1.2.3")));
  EXPECT_FALSE(Range("0.0.0.0/0").Has(Address("::1")));
  EXPECT_TRUE(Range("10.0.0.128/25").Has(Address("10.0.0.129")));
  EXPECT_FALSE(Range("10.0.0.128/25").Has(Address("10.0.0.127")));
  for (const char* text : {"10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/ 8",
                           "10.0.0.0/08x", "fd00::1/8", "::/129", "/8", "10.0.0.0/"}) {
    EXPECT_FALSE(IpRange::Parse(text).ok()) << text;
  }
}

TEST(SpecialAddresses, NoneIsDialled) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.1",
                           "192.31.196.1",
                           "192.52.193.1",
                           "192.88.99.1",
                           "192.168.0.1",
                           "192.175.48.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "168.63.129.16",
                           "::",
                           "::1",
                           "::7f00:1",
                           "::ffff:127.0.0.1",
                           "::ffff:8.8.8.8",
                           "64:ff9b::7f00:1",
                           "64:ff9b::808:808",
                           "64:ff9b:1::7f00:1",
                           "100::1",
                           "2001::1",
                           "2001:0:4136:e378:8000:63bf:3fff:fdd2",
                           "2001:2::1",
                           "2001:10::1",
                           "2001:20::1",
                           "2001:db8::1",
                           "2002:7f00:1::1",
                           "2002:808:808::1",
                           "2620:4f:8000::1",
                           "3fff::1",
                           "5f00::1",
                           "fc00::1",
                           "fd00::1",
                           "fd00:ec2::254",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1",
                           "4000::1",
                           "1::1",
                           "e000::1"}) {
    EXPECT_NE(SpecialBlockOf(Address(text)), nullptr) << text;
    EXPECT_FALSE(MayDial(Address(text), {})) << text;
  }
}

TEST(SpecialAddresses, TheirPublicNeighboursAre) {
  for (const char* text :
       {"1.0.0.0",         "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0",     "172.15.255.255",  "172.32.0.0",
        "192.0.1.0",       "192.0.3.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",      "203.0.112.255",   "223.255.255.255",
        "168.63.129.17",   "2000::1",         "2001:200::1",     "2001:4860:4860::8888",
        "2003::1",         "2606:4700::1111", "3ffe::1"}) {
    EXPECT_EQ(SpecialBlockOf(Address(text)), nullptr) << text;
    EXPECT_TRUE(MayDial(Address(text), {})) << text;
  }
}

TEST(SpecialAddresses, NamedPrivateRangesAreAndNothingBesideThem) {
  const std::vector<IpRange> allowed = {Range("10.1.0.0/16"), Range("fd00:1::/32")};
  EXPECT_TRUE(MayDial(Address("10.1.2.3"), allowed));
  EXPECT_TRUE(MayDial(Address("fd00:1::5"), allowed));
  EXPECT_FALSE(MayDial(Address("10.2.0.1"), allowed));
  EXPECT_FALSE(MayDial(Address("fd00:2::5"), allowed));
  EXPECT_FALSE(MayDial(Address("::ffff:10.1.2.3"), allowed));
}

TEST(SpecialAddresses, MetadataInsideOfAnAllowedRangeStaysRefused) {
  EXPECT_FALSE(MayDial(Address("fd00:ec2::254"), {Range("fc00::/7")}));
  EXPECT_FALSE(MayDial(Address("100.100.100.200"), {Range("100.64.0.0/10")}));
  EXPECT_TRUE(MayDial(Address("fd00:ec3::254"), {Range("fc00::/7")}));
}

TEST(SpecialAddresses, ATranslatedAddressIsJudgedByTheOneInside) {
  const std::vector<IpRange> nat64 = {Range("64:ff9b::/96")};
  EXPECT_TRUE(MayDial(Address("64:ff9b::808:808"), nat64));
  EXPECT_FALSE(MayDial(Address("64:ff9b::7f00:1"), nat64));
  EXPECT_FALSE(MayDial(Address("64:ff9b::a9fe:a9fe"), nat64));
  EXPECT_FALSE(MayDial(Address("64:ff9b::a01:203"), nat64));
  EXPECT_TRUE(MayDial(Address("64:ff9b::a01:203"), {nat64[0], Range("10.1.0.0/16")}));
}

TEST(Exceptions, ArePartsOfPrivateBlocksAlone) {
  for (const char* text : {"10.0.0.0/8", "10.1.2.3/32", "172.16.0.0/12", "192.168.1.0/24",
                           "100.64.0.0/10", "fc00::/7", "fd00::/8", "64:ff9b::/96"}) {
    EXPECT_TRUE(CheckException(Range(text)).ok()) << text;
  }
  for (const char* text :
       {"0.0.0.0/0", "127.0.0.0/8", "127.0.0.1/32", "169.254.169.254/32", "10.0.0.0/7",
        "8.8.8.8/32", "::/0", "::1/128", "fe80::/10", "::ffff:0:0/96", "2002::/16", "198.18.0.0/15",
        "64:ff9b:1::/48", "168.63.129.16/32"}) {
    const absl::Status status = CheckException(Range(text));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_TRUE(absl::StrContains(status.message(), "10.0.0.0/8"))
        << "names what is right: " << status;
  }
}

}  // namespace
}  // namespace glovebox
