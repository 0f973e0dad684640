#include "service/patch_chunks.h"

#include <gtest/gtest.h>

#include <vector>

namespace glovebox {
namespace {

TEST(PatchChunks, PiecesOfAnySizeLeaveInChunksOf64KiBWithTheDigestOfAll) {
  std::vector<std::string> sent;
  PatchChunks chunks([&](std::string chunk) {
    sent.push_back(std::move(chunk));
    return absl::OkStatus();
  });
  ASSERT_TRUE(chunks.Add("abc").ok());
  ASSERT_TRUE(chunks.Add(std::string(PatchChunks::kChunkBytes, 'x')).ok());
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].size(), PatchChunks::kChunkBytes);
  ASSERT_TRUE(chunks.Finish().ok());
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1], "xxx");
}

TEST(PatchChunks, DigestIsSha256) {
  PatchChunks chunks([](std::string) { return absl::OkStatus(); });
  ASSERT_TRUE(chunks.Add("abc").ok());
  EXPECT_EQ(*chunks.Finish(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(PatchChunks, TheErrorOfTheReceiverEndsIt) {
  PatchChunks chunks([](std::string) { return absl::CancelledError("gone"); });
  EXPECT_TRUE(absl::IsCancelled(chunks.Add(std::string(PatchChunks::kChunkBytes, 'x'))));
}

}  // namespace
}  // namespace glovebox
