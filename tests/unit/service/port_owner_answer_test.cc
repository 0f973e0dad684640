#include "service/port_owner_answer.h"

#include <gtest/gtest.h>

#include "base/wire_field.h"

namespace glovebox {
namespace {

std::string Entry(uint64_t inode, uint64_t pid, absl::string_view name) {
  WireWriter entry;
  entry.Number(1, inode);
  entry.Number(2, pid);
  entry.Bytes(3, name);
  WireWriter answer;
  answer.Bytes(1, entry.message());
  return answer.Take();
}

TEST(PortOwnersTest, OwnersOfWhatWasAskedForAreTaken) {
  const auto owners = ParsePortOwners(Entry(7, 12, "node") + Entry(8, 13, "other"), {7, 9});
  ASSERT_EQ(owners.size(), 1u);
  EXPECT_EQ(owners.at(7).pid, 12u);
  EXPECT_EQ(owners.at(7).program, "node");
}

TEST(PortOwnersTest, WhatMakesNoSenseIsNone) {
  for (const std::string& answer :
       {Entry(7, 0, "node"), Entry(7, uint64_t{1} << 40, "node"), std::string("\xff\xff\xff"),
        std::string("x"), Entry(7, 12, "node").substr(0, 5), std::string()}) {
    EXPECT_TRUE(ParsePortOwners(answer, {7}).empty());
  }
}

TEST(PortOwnersTest, NamesAreEscapedAndCut) {
  const auto owners = ParsePortOwners(Entry(7, 1, "\x1b[2J\n\xff"), {7});
  EXPECT_EQ(owners.at(7).program, "\\x1b[2J\\n\\xff");
  EXPECT_EQ(ParsePortOwners(Entry(7, 1, std::string(500, 'x')), {7}).at(7).program,
            std::string(15, 'x'));
}

}  // namespace
}  // namespace glovebox
