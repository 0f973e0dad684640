#include "egress/synthetic_names.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

HostName Host(absl::string_view text) { return HostName::Parse(text).value(); }

TEST(SyntheticNames, EachNameHasOneAddressForEver) {
  SyntheticNames names;
  const auto a = names.AddressOf(Host("a.example"));
  const auto b = names.AddressOf(Host("b.example"));
  ASSERT_TRUE(a.has_value() && b.has_value());
  EXPECT_NE(a, b);
  EXPECT_TRUE(SyntheticNames::IsSynthetic(*a) && SyntheticNames::IsSynthetic(*b));
  EXPECT_EQ(names.AddressOf(Host("A.example.")), a);
  EXPECT_EQ(names.size(), 2u);
  EXPECT_EQ(*names.NameOf(*b), Host("b.example"));
}

TEST(SyntheticNames, AnAddressIsTheSameWithAnotherProxy) {
  SyntheticNames one;
  SyntheticNames other;
  for (int i = 0; i < 200; ++i) (void)one.AddressOf(Host(absl::StrCat("n", i, ".example")));
  for (int i = 199; i >= 0; --i) {
    const HostName name = Host(absl::StrCat("n", i, ".example"));
    EXPECT_EQ(other.AddressOf(name), one.AddressOf(name)) << i;
  }
}

TEST(SyntheticNames, NamesThatDrawTheSameAddressHaveTheirOwn) {
  SyntheticNames names;
  std::set<IpAddress> addresses;
  constexpr int kMany = 5000;  // some hundred of them draw one that is taken
  for (int i = 0; i < kMany; ++i) {
    addresses.insert(names.AddressOf(Host(absl::StrCat("n", i, ".example"))).value());
  }
  EXPECT_EQ(addresses.size(), size_t{kMany});
  for (int i = 0; i < kMany; ++i) {
    const HostName name = Host(absl::StrCat("n", i, ".example"));
    EXPECT_EQ(*names.NameOf(names.AddressOf(name).value()), name);
  }
}

TEST(SyntheticNames, WhatStandsForNoNameIsNone) {
  SyntheticNames names;
  ASSERT_NE(names.AddressOf(Host("a.example"))->Text(), "198.18.0.2");
  for (const char* text : {"198.18.0.0", "198.18.0.2", "198.19.255.255", "198.20.0.1",
                           "198.17.255.255", "::ffff:198.18.0.1"}) {
    EXPECT_EQ(names.NameOf(IpAddress::Parse(text).value()), nullptr) << text;
  }
  EXPECT_TRUE(SyntheticNames::IsSynthetic(IpAddress::Parse("198.19.255.255").value()));
  EXPECT_FALSE(SyntheticNames::IsSynthetic(IpAddress::Parse("198.20.0.0").value()));
  EXPECT_FALSE(SyntheticNames::IsSynthetic(IpAddress::Parse("::ffff:198.18.0.1").value()));
}

TEST(SyntheticNames, ThereIsAnEndToThem) {
  SyntheticNames names;
  for (uint32_t i = 0; i < SyntheticNames::kNamesMax; ++i) {
    const auto address = names.AddressOf(Host(absl::StrCat("n", i, ".example")));
    ASSERT_TRUE(address.has_value()) << i;
    ASSERT_TRUE(SyntheticNames::IsSynthetic(*address));
  }
  EXPECT_FALSE(names.AddressOf(Host("one.more.example")).has_value());
  EXPECT_TRUE(names.AddressOf(Host("n7.example")).has_value()) << "those that are there stay";
  EXPECT_EQ(*names.NameOf(*names.AddressOf(Host("n16383.example"))), Host("n16383.example"));
}

TEST(SyntheticNames, ThereIsAnEndToTheirBytes) {
  SyntheticNames names;
  const std::string label(63, 'a');
  uint32_t count = 0;
  while (
      names.AddressOf(Host(absl::StrCat(label, ".", label, ".", label, ".n", count, ".example"))))
    ++count;
  EXPECT_LT(count, SyntheticNames::kNamesMax);
  EXPECT_GT(count, SyntheticNames::kBytesMax / HostName::kBytesMax - 1);
}

}  // namespace
}  // namespace glovebox
