#include "importer/tree_message.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/wire_field.h"

namespace glovebox {
namespace {

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value > 0x7f; value >>= 7) bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
std::string Number(uint32_t field, uint64_t value) {
  return absl::StrCat(Varint(field << 3), Varint(value));
}
std::string Bytes(uint32_t field, const std::string& bytes) {
  return absl::StrCat(Varint(field << 3 | 2), Varint(bytes.size()), bytes);
}
std::string DigestOf(const std::string& bytes) {
  Sha256 sum;
  sum.Update(bytes);
  return absl::StrCat(Bytes(1, sum.FinishHex()), Number(2, bytes.size()));
}
std::string File(const std::string& name, const std::string& more = "") {
  return Bytes(1, absl::StrCat(Bytes(1, name), Bytes(2, DigestOf("content")), more));
}
std::string Child(const std::string& name, const std::string& directory) {
  return Bytes(2, absl::StrCat(Bytes(1, name), Bytes(2, DigestOf(directory))));
}
std::string Link(const std::string& name, const std::string& target) {
  return Bytes(3, absl::StrCat(Bytes(1, name), Bytes(2, target)));
}

absl::StatusCode CodeOf(const std::string& directory) {
  return ParseDirectory(directory).status().code();
}

TEST(TreeMessage, FieldsAreThoseOfTheRemoteExecutionApi) {
  const std::string properties = absl::StrCat(Bytes(1, Bytes(1, "ignored")),
                                              Bytes(2, absl::StrCat(Number(1, 1000), Number(2, 7))),
                                              Bytes(3, Number(1, 04755)));
  const std::string bytes =
      absl::StrCat(File("f", absl::StrCat(Number(4, 1), Bytes(6, properties))), Child("d", ""),
                   Link("l", "../x"), Bytes(5, Bytes(3, "")), Bytes(99, "of a later version"));
  const auto directory = ParseDirectory(bytes);
  ASSERT_TRUE(directory.ok()) << directory.status();
  ASSERT_EQ(directory->files.size(), 1);
  const FileNode& file = directory->files[0];
  EXPECT_EQ(file.name, "f");
  EXPECT_EQ(file.digest.size_bytes, 7);
  EXPECT_TRUE(file.is_executable);
  EXPECT_EQ(file.attributes.unix_mode, 04755);
  EXPECT_EQ(file.attributes.modified.tv_sec, 1000);
  EXPECT_EQ(file.attributes.modified.tv_nsec, 7);
  EXPECT_EQ(directory->directories[0].name, "d");
  EXPECT_EQ(directory->symlinks[0].target, "../x");
  EXPECT_EQ(directory->attributes.unix_mode, 0) << "said to be zero is not absent";
}

TEST(TreeMessage, NamesAreBytesAndCaseTwinsAreTwo) {
  EXPECT_EQ(CodeOf(absl::StrCat(File("a"), File("A"), File("\xff\n"), File("..."))),
            absl::StatusCode::kOk);
}

TEST(TreeMessage, NamesThatAreNoneAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_EQ(CodeOf(File(name)), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(CodeOf(Child(name, "")), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(CodeOf(Link(name, "x")), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(CodeOf(Link("l", "")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Link("l", std::string(4096, 'x'))), absl::StatusCode::kInvalidArgument);
}

TEST(TreeMessage, ANameIsOnceInADirectoryWhateverHasIt) {
  for (const std::string& twins : {File("x") + File("x"), File("x") + Child("x", ""),
                                   Child("x", "") + Link("x", "y"), Link("x", "y") + File("x")}) {
    EXPECT_EQ(CodeOf(twins), absl::StatusCode::kInvalidArgument);
  }
}

TEST(TreeMessage, DigestsThatAreNoneAreRefused) {
  for (const std::string& digest :
       {std::string(), Bytes(1, std::string(64, 'g')), Bytes(1, std::string(64, 'a')),
        absl::StrCat(Bytes(1, std::string(64, 'a')), Number(2, UINT64_MAX))}) {
    EXPECT_EQ(CodeOf(Bytes(1, absl::StrCat(Bytes(1, "f"), Bytes(2, digest)))),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(TreeMessage, WhatIsMalformedIsRefused) {
  const std::string good = File("f");
  for (size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_FALSE(ParseDirectory(good.substr(0, cut)).ok()) << cut;
  }
  for (const std::string& bytes :
       {std::string("\x0b"), std::string("\x02\x00", 2), std::string(11, '\x80'),
        std::string("\x0a\xff\xff\xff\xff\x0f")}) {
    EXPECT_FALSE(ParseTree(bytes).ok());
  }
  EXPECT_FALSE(ParseTree("").ok()) << "without a root";
  EXPECT_FALSE(ParseTree(Bytes(1, "") + Bytes(1, "")).ok()) << "two roots";
  EXPECT_TRUE(ParseTree(Bytes(1, "")).ok());
}

TEST(TreeMessage, TimesThatNoSnapshotHasAre1970) {
  for (const uint64_t seconds : {uint64_t{4102444800}, static_cast<uint64_t>(int64_t{-1})}) {
    const auto directory = ParseDirectory(
        File("f", Bytes(6, Bytes(2, absl::StrCat(Number(1, seconds), Number(2, 5))))));
    ASSERT_TRUE(directory.ok());
    EXPECT_EQ(directory->files[0].attributes.modified.tv_sec, 0);
    EXPECT_EQ(directory->files[0].attributes.modified.tv_nsec, 0);
  }
}

TEST(MeasureTree, CountsWhatATreeExpandsTo) {
  const std::string leaf = File("f");
  const std::string middle = absl::StrCat(Child("a", leaf), Child("b", leaf), Link("l", "x"));
  const std::string root = absl::StrCat(Child("c", middle), Child("d", middle), Child("e", ""));
  const std::string bytes = absl::StrCat(Bytes(1, root), Bytes(2, leaf), Bytes(2, middle));
  const auto tree = ParseTree(bytes);
  ASSERT_TRUE(tree.ok());
  const auto measure = MeasureTree(*tree);
  ASSERT_TRUE(measure.ok()) << measure.status();
  EXPECT_EQ(measure->entries, 14) << "the top, c d e, and below c and d each a b l and two files";
  EXPECT_EQ(measure->file_bytes, 28);
  EXPECT_EQ(measure->depth, 2);
}

TEST(MeasureTree, ADirectoryThatIsNotInTheTreeIsNamed) {
  const std::string bytes = Bytes(1, Child("gone", File("f")));
  const auto measure = MeasureTree(*ParseTree(bytes));
  EXPECT_TRUE(absl::IsInvalidArgument(measure.status()));
  EXPECT_NE(measure.status().message().find("\"gone\""), absl::string_view::npos);
}

// Each directory names the one below it so many times.
std::string Nested(int levels, int width) {
  std::string children;
  std::string below;
  for (int level = 0; level < levels; ++level) {
    children += Bytes(2, below);
    std::string directory;
    for (int i = 0; i < width; ++i) directory += Child(absl::StrCat(i), below);
    below = directory;
  }
  return absl::StrCat(Bytes(1, below), children);
}

TEST(MeasureTree, BombsAreCountedWithoutBeingExpanded) {
  for (const auto& [levels, width, fits] :
       {std::tuple{250, 1, true}, {251, 1, false}, {10, 3, true}, {200, 2, false}}) {
    const std::string bytes = Nested(levels, width);
    const auto tree = ParseTree(bytes);
    ASSERT_TRUE(tree.ok());
    const auto measure = MeasureTree(*tree);
    EXPECT_EQ(measure.ok(), fits) << levels << " " << width << " " << measure.status();
    EXPECT_TRUE(fits || absl::IsResourceExhausted(measure.status()));
  }
}

TEST(ParseTree, HasAtMostAMillionDirectories) {
  std::string bytes = Bytes(1, "");
  for (size_t i = 0; i <= kTreeDirectoriesMax; ++i) bytes += std::string("\x12\x00", 2);
  EXPECT_TRUE(absl::IsResourceExhausted(ParseTree(bytes).status()));
}

}  // namespace
}  // namespace glovebox
