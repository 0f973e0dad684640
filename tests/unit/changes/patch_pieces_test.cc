#include <string>

#include "changes/binary_literal.h"
#include "changes/blob_id.h"
#include "changes/text_hunks.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

std::string Hunks(absl::string_view before, absl::string_view after, LineCounts* counts) {
  std::string out;
  const auto sink = [&](absl::string_view bytes) {
    out.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  const auto result = TextDiffer().WriteHunks(before, after, 3, sink);
  EXPECT_TRUE(result.ok()) << result.status();
  if (result.ok()) *counts = *result;
  return out;
}

TEST(BlobIdTest, IsGitsIdOfKnownContent) {
  EXPECT_EQ(BlobId(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(BlobId("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(BinaryLiteralTest, EmptyContentIsWhatGitWrites) {
  std::string out;
  const auto sink = [&](absl::string_view bytes) {
    out.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  BinaryLiteral literal(0, sink);
  ASSERT_TRUE(literal.Finish().ok());
  // The deflate level is in the second byte of the stream, so only the shape is git's.
  EXPECT_EQ(out.rfind("literal 0\nH", 0), 0u) << out;
  EXPECT_EQ(out.size(), std::string("literal 0\nHcmV?d00001\n\n").size());
}

TEST(TextHunksTest, SaysWhereANewlineIsMissing) {
  LineCounts counts;
  EXPECT_EQ(Hunks("a\nb", "a\nc", &counts),
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
            "\\ No newline at end of file\n");
  EXPECT_EQ(counts.insertions, 1u);
  EXPECT_EQ(counts.deletions, 1u);
}

TEST(TextHunksTest, ASinkThatRefusesEndsTheWriting) {
  const auto sink = [](absl::string_view) { return absl::DataLossError("full"); };
  EXPECT_EQ(TextDiffer().WriteHunks("a\n", "b\n", 3, sink).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(LooksBinaryTest, LooksAtTheFirst8000BytesOnly) {
  EXPECT_TRUE(LooksBinary(std::string("a\0b", 3)));
  EXPECT_FALSE(LooksBinary(std::string(8000, 'x') + std::string(1, '\0')));
}

}  // namespace
}  // namespace glovebox
