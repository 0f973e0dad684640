#include "tools/glovebox/port_argument.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(PortArgumentTest, AllFormsOfAPair) {
  EXPECT_EQ(*ParsePortPair("8080"), (PortPair{8080, 8080}));
  EXPECT_EQ(*ParsePortPair("9000:8080"), (PortPair{9000, 8080}));
  EXPECT_EQ(*ParsePortPair(":8080"), (PortPair{0, 8080}));
  EXPECT_EQ(*ParsePortPair("0:65535"), (PortPair{0, 65535}));
}

TEST(PortArgumentTest, WhatIsNoPortIsRefused) {
  for (const char* wrong : {"", ":", "0", "65536", "80:", "80:0", "x", "1:2:3", "-1", "+1", " 1",
                            "99999999999", "00:1", "080808"}) {
    EXPECT_FALSE(ParsePortPair(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace glovebox
